"""What clients are told of each event: a sentence for people, and `meta`, the wire's JSON, for programs.

`chosenDex`, `expectedOutput`, `txHash` and `finalExecutionPrice` are known to the
clients of the Node service that this one replaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias, TypedDict

from chalicelib.domain.amounts import PRICE_DIGITS, format_amount, plain, price
from chalicelib.domain.events import (
    AttemptFailed,
    AttemptRestarted,
    LaunchSkipped,
    LimitMissed,
    Move,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    OrderFailed,
    OrderFilled,
    OrderPlaced,
    PriceReached,
    RestingMove,
    RouteChosen,
    RoutingStarted,
    TokenLaunched,
    TransactionSubmitted,
)
from chalicelib.domain.limits import (
    distance_bps,
    in_base_units,
    in_display_units,
    inverted_limit_in_words,
    limit_in_words,
    rounded,
)
from chalicelib.domain.order import MAX_ATTEMPTS, Failure, Meta, Order
from chalicelib.domain.quotes import Route, Side, Venue
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.views import amount_view, error_view, launch_view, no_quote_view, quote_view, timestamp

Message: TypeAlias = tuple[str, Meta]


def describe(order: Order, event: OrderPlaced | Move) -> Message:  # noqa: C901 - one case a kind of event
    """The sentence and the JSON of what happened to the order, which is as it was before."""
    match event:
        case OrderPlaced(market=market):
            return _rested(order, market) if order.status is OrderStatus.WAITING else ("Order accepted.", {})
        case RoutingStarted(venues=venues):
            return routing_sentence(venues), {"attempt": order.attempt}
        case RouteChosen(route=route):
            return f"Route chosen: {route.reason}", route_meta(order, route)
        case TransactionSubmitted(signature=signature):
            meta = {"txHash": signature, "attempt": order.attempt}
            return "Transaction submitted, waiting for its confirmation.", meta
        case OrderFilled():
            return _filled(order, event)
        case AttemptFailed(failure=failure, retry_in=seconds):
            failed = f"Attempt {order.attempt} of {MAX_ATTEMPTS} failed: {failure.message}"
            return f"{failed} Trying again in {seconds:g} s.", {
                "attempt": order.attempt + 1,
                "error": error_view(failure),
            }
        case AttemptRestarted(failure=failure):
            sentence = f"{failure.message} Asking the venues again; this does not use up an attempt."
            return sentence, {"attempt": order.attempt, "error": error_view(failure)}
        case OrderFailed(failure=failure, price_impact_pct=impact):
            attempts = f"{order.attempt} attempt{'s' if order.attempt > 1 else ''}"
            return f"Failed after {attempts}: {failure.message}", {
                "attempt": order.attempt,
                "error": error_view(failure),
                **({} if impact is None else {"priceImpactPct": plain(impact)}),
            }
        case OrderCancelled():
            return "Cancelled by the client.", {}
        case LaunchSkipped(failure=failure, conditions=conditions):
            return f"Not bought: {failure.message}", {"error": error_view(failure), "conditions": list(conditions)}
        case _:
            return _describe_resting(order, event)


def routing_sentence(venues: Sequence[Venue]) -> str:
    """The sentence of an order whose venues are asked."""
    *others, last = (venue.title() for venue in venues)
    return f"Asking {', '.join(others)} and {last} for quotes." if others else f"Asking {last} for quotes."


def _describe_resting(order: Order, event: RestingMove) -> Message:
    match event:
        case PriceReached() | TokenLaunched():
            return _fired(order, event)
        case LimitMissed(failure=failure, best=best, again_in=seconds):
            gone = f"{_display(order, best)} at best" if best is not None else failure.message.rstrip(".")
            meta = {"attempt": order.attempt, "error": error_view(failure), "fires": order.fires}
            return f"The price moved away: {gone}. Resting again, next look in {seconds} s.", meta
        case OrderAmended():
            return _amended(order, event)
        case OrderExpired(failure=failure):
            return _expired(order, failure)


def limit_sentence(order: Order, market: Fraction | None) -> str:
    """What the limit means, from both sides, and how far away the market is."""
    limit = order.limit_price
    if limit is None:
        return ""
    request = order.quote_request()
    away = ""
    if market is not None:
        price = in_base_units(limit, order.input_token, order.output_token)
        percent = Decimal(distance_bps(price, market)).scaleb(-2)
        far = f", {plain(percent)} % away" if market < price else ""
        away = f"now {_display(order, market, 8)}{far}; "
    return f"{limit_in_words(request, limit)} ({away}{inverted_limit_in_words(request, limit)})"


def _rested(order: Order, market: Fraction | None) -> Message:
    expires = {"expiresAt": timestamp(order.expires_at) if order.expires_at else None}
    until = f", until {expires['expiresAt']}" if order.expires_at else ""
    if order.launch is not None:
        return f"Waiting for the launch of {order.output_token}{until}.", {
            **expires,
            "launch": launch_view(order.launch),
            **({} if order.limit_price is None else {"limitPrice": plain(order.limit_price)}),
        }
    return f"Resting until {limit_sentence(order, market)}{until}.", {
        "limitPrice": plain(order.limit_price) if order.limit_price is not None else None,
        **(market_meta(order, market) if market is not None else {}),
        **expires,
    }


class MarketMeta(TypedDict):
    """What the order's full size is paid after fees, and how far that is from its limit."""

    marketPrice: str
    distanceBps: int


def resting_sentence(order: Order, market: Fraction | None) -> str:
    """What a resting order means: `Sells 10 SOL for at least 1700 USDC: executes when …`."""
    request, guard = order.quote_request(), order.guard
    amount = f"{format_amount(order.amount, order.amount_token)} {order.amount_token}"
    if order.side is Side.BUY:
        most = (
            f" for at most {format_amount(guard.maximum_input, order.input_token)} {order.input_token}" if guard else ""
        )
        what = f"Buys {amount}{most}"
    else:
        out = order.output_token
        what = (
            f"Sells {amount} for at least {format_amount(guard.minimum_output, out)} {out}"
            if guard
            else (f"Spends {amount} on {out}")
        )
    if order.launch is not None:
        return f"{what}: executes when {request.output_token} is launched."
    return f"{what}: executes when {limit_sentence(order, market)}."


def market_meta(order: Order, market: Fraction) -> MarketMeta:
    """How the market stands to the order."""
    limit = order.limit_price
    price = in_base_units(limit, order.input_token, order.output_token) if limit is not None else market
    return {"marketPrice": _display(order, market), "distanceBps": distance_bps(price, market)}


def _fired(order: Order, event: PriceReached | TokenLaunched) -> Message:
    trigger = {"at": timestamp(event.at), "fires": order.fires + 1, "latencyMs": event.latency_ms}
    if isinstance(event, PriceReached):
        price = _display(order, event.price)
        pair = f"{order.output_token} per {order.input_token}"
        return f"The market reached {price} {pair}: queued.", {"trigger": {"kind": "price", "price": price, **trigger}}
    launch = event.launch
    return f"{launch.token} opened on {launch.venue} with {launch.liquidity_usd} USD: queued.", {
        "trigger": {"kind": "launch", "eventId": launch.event_id, "pool": launch.pool, **trigger}
    }


def _amended(order: Order, event: OrderAmended) -> Message:
    changed: dict[str, object] = {}
    said = []
    if event.limit_price is not None and order.limit_price is not None:
        before, after = plain(order.limit_price), plain(event.limit_price)
        changed["limitPrice"] = {"from": before, "to": after}
        said.append(f"{after} instead of {before} {order.output_token} per {order.input_token}")
    if event.expires_at is not None:
        earlier = timestamp(order.expires_at) if order.expires_at else None
        changed["expiresAt"] = {"from": earlier, "to": timestamp(event.expires_at)}
        said.append(f"until {timestamp(event.expires_at)} instead of {earlier}")
    return f"Amended: {', '.join(said)}.", {"changed": changed}


def _expired(order: Order, failure: Failure | None) -> Message:
    if failure is not None:
        return f"Not filled at once: {failure.message}", {"attempt": order.attempt, "error": error_view(failure)}
    at = timestamp(order.expires_at) if order.expires_at else "once"
    if order.launch is not None:
        return f"Expired at {at}: {order.output_token} was not launched.", {}
    if order.status is not OrderStatus.WAITING:
        return f"Expired at {at}, before anything was signed.", {}
    limit = f"{plain(order.limit_price)} {order.output_token}" if order.limit_price is not None else "enough"
    return f"Expired at {at}: {order.input_token} did not pay {limit} when we looked.", {}


def _display(order: Order, price: Fraction, digits: int = PRICE_DIGITS) -> str:
    return plain(rounded(in_display_units(price, order.input_token, order.output_token), digits))


def route_meta(order: Order, route: Route) -> Meta:
    """The decision, with everything it was made from."""
    request = order.quote_request()
    return {
        "chosenDex": route.chosen.venue,
        "expectedOutput": format_amount(route.chosen.amount_out, order.output_token),
        "expectedInput": format_amount(route.chosen.amount_in, order.input_token),
        "minimumOutput": format_amount(route.minimum_output, order.output_token),
        "maximumInput": format_amount(route.maximum_input, order.input_token),
        "steps": list(route.steps),
        "reason": route.reason,
        "spreadBps": route.spread_bps,
        "quotes": [quote_view(quote, request, order.slippage_bps) for quote in route.quotes],
        "unavailable": [no_quote_view(answer) for answer in route.unavailable],
    }


def _filled(order: Order, event: OrderFilled) -> Message:
    fill = event.fill
    final = price(fill.amount_in, order.input_token, fill.amount_out, order.output_token)
    spent = f"{format_amount(fill.amount_in, order.input_token)} {order.input_token}"
    received = f"{format_amount(fill.amount_out, order.output_token)} {order.output_token}"
    return f"Swapped {spent} for {received}.", {
        "txHash": event.signature,
        "finalExecutionPrice": plain(final),
        "executedInput": amount_view(fill.amount_in, order.input_token),
        "executedOutput": amount_view(fill.amount_out, order.output_token),
        "fee": amount_view(fill.fee, order.input_token),
    }
