"""What a limit price means against the market: its check, and the touch at which the watcher looks at its order."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from chalicelib.domain.amounts import plain
from chalicelib.domain.errors import InvalidField, InvalidOrder
from chalicelib.domain.limits import (
    BAND,
    buys_nothing,
    full_price,
    in_base_units,
    in_display_units,
    rounded,
    rounded_down,
)
from chalicelib.domain.order import Order
from chalicelib.domain.quotes import Quote
from chalicelib.domain.tokens import is_launched
from chalicelib.ports.market import Market


def present_price(order: Order, market: Market) -> Fraction:
    """What the order's full size is paid right now at the best venue, after fees. Raises `InvalidOrder`."""
    answers = market.preview(order.quote_request(), order.created_at)
    prices = [full_price(answer) for answer in answers if isinstance(answer, Quote)]
    if prices:
        return max(prices)
    launched = [token for token in (order.input_token, order.output_token) if is_launched(token)]
    if launched:
        field = "inputToken" if order.input_token in launched else "outputToken"
        raise InvalidOrder(InvalidField(field, "has no open pool yet: a sniper order waits for one"))
    if all(getattr(answer, "code", None) == "amount_too_small" for answer in answers):
        raise InvalidOrder(InvalidField("amount", f"is too small to get any {order.output_token}"))
    raise InvalidOrder(InvalidField("amount", "no pool holds that much"))


def check_limit(order: Order, limit_price: Decimal, price: Fraction) -> None:
    """Raises `InvalidOrder`: the limit is far from the market, or nothing could be bought for it."""
    market = in_display_units(price, order.input_token, order.output_token)
    limit = Fraction(limit_price)
    if not market / BAND <= limit <= market * BAND:
        low, high = plain(rounded(market / BAND, 4)), plain(rounded(market * BAND, 6))
        said = f"must be within {low} and {high}, a twentieth and twenty times the present price"
        # The further of the two from one is the more wrong.
        if _times_apart(limit, 1 / market) < _times_apart(limit, market):
            said += f"; it looks inverted: it is {order.output_token} per {order.input_token}"
        raise InvalidOrder(InvalidField("limitPrice", said))
    nothing = buys_nothing(limit_price, order.side, order.amount, order.input_token, order.output_token)
    if nothing is not None:
        said = f"would buy nothing at limitPrice ({plain(nothing)} base units)"
        raise InvalidOrder(InvalidField("amount", said))


def _times_apart(one: Fraction, other: Fraction) -> Fraction:
    return max(one / other, other / one)


def bound_of(order: Order, market: Market) -> Decimal:
    """The lowest touch at which the watcher looks at the order, in display units."""
    if order.limit_price is None:
        raise ValueError("Only an order with a limit price has a bound.")
    limit = in_base_units(order.limit_price, order.input_token, order.output_token)
    bound = market.bound(order.quote_request(), limit, order.created_at)
    return rounded_down(in_display_units(bound, order.input_token, order.output_token))
