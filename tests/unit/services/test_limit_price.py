"""What a limit price may be, beside the market."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from chalicelib.domain.errors import InvalidField, InvalidOrder
from chalicelib.domain.quotes import QuoteRequest
from chalicelib.domain.tokens import USDC, launch_token
from chalicelib.services.limit_price import bound_of, check_limit, present_price
from tests.fakes import an_order
from tests.fakes.builders import ONE_SOL
from tests.fakes.market import ScriptedMarket

PRICE = Fraction("168.0612345") / 1000


@pytest.mark.parametrize("limit", ["8.403061725", "168", "3361.22469"])
def test_a_limit_is_within_twenty_times_the_present_price(limit: str) -> None:
    check_limit(an_order(), Decimal(limit), PRICE)


@pytest.mark.parametrize(
    ("limit", "inverted"),
    [
        ("8.403061724", False),
        ("3361.2246901", False),
        ("0.00595", True),
        ("0.0118", True),
        ("0.99", True),
        ("1.01", False),
    ],
)
def test_one_past_that_is_refused_with_the_bounds_and_what_looks_inverted_is_said_to(
    limit: str, inverted: bool
) -> None:
    order = an_order()
    said = "must be within 8.403 and 3361.22, a twentieth and twenty times the present price"
    said += "; it looks inverted: it is USDC per SOL" if inverted else ""
    with pytest.raises(InvalidOrder) as caught:
        check_limit(order, Decimal(limit), PRICE)
    assert caught.value.fields == (InvalidField("limitPrice", said),)


def test_the_bound_is_the_markets_for_this_order_at_its_moment() -> None:
    order = replace(an_order(), limit_price=Decimal(170), amount=10 * ONE_SOL)
    asked: list[object] = []

    class Deep(ScriptedMarket):
        def bound(self, request: QuoteRequest, limit: Fraction, at: datetime) -> Fraction:
            asked.extend((request, limit, at))
            return limit / 3

    # Rounded down: what is at the bound is looked at.
    assert bound_of(order, Deep()) == Decimal("56." + "6" * 28)
    assert asked == [order.quote_request(), Fraction(17, 100), order.created_at]


def test_a_token_whose_pool_is_not_open_is_named_by_its_field() -> None:
    token = launch_token(7)
    closed = ScriptedMarket(deepest=-1)
    for order, field in (
        (replace(an_order(), input_token=token, output_token=USDC), "inputToken"),
        (replace(an_order(), output_token=token), "outputToken"),
    ):
        with pytest.raises(InvalidOrder) as caught:
            present_price(order, closed)
        assert [each.field for each in caught.value.fields] == [field]
