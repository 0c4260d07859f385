"""Limit prices: exact at any size, rounded for the trader."""

from decimal import Decimal
from fractions import Fraction

import pytest

from chalicelib.domain.amounts import MAX_BASE_UNITS
from chalicelib.domain.limits import (
    buys_nothing,
    distance_bps,
    full_price,
    guard_of,
    in_base_units,
    in_display_units,
    rounded,
    rounded_down,
    rounded_up,
)
from chalicelib.domain.quotes import Limits, Side
from chalicelib.domain.tokens import BONK, SOL, USDC
from tests.fakes import a_quote


def test_a_price_in_display_units_counts_the_decimals_of_both_tokens() -> None:
    assert in_base_units(Decimal(170), SOL, USDC) == Fraction(17, 100)
    assert in_display_units(Fraction(17, 100), SOL, USDC) == 170
    assert in_base_units(Decimal("0.5"), BONK, USDC) == 5


@pytest.mark.parametrize(
    ("side", "amount", "limits"),
    [
        (Side.SELL, 10**9, Limits(170_000_001, 10**9)),
        (Side.SELL, 7, Limits(2, 7)),
        (Side.BUY, 10**9, Limits(10**9, 5_882_352_906)),
        # More digits than a float has: up for who sells, down for who buys.
        (Side.SELL, MAX_BASE_UNITS - 1, Limits(3_135_946_510_977_367_849, MAX_BASE_UNITS - 1)),
        (Side.BUY, 10**18 + 1, Limits(10**18 + 1, 5_882_352_906_574_394_673)),
        # No program takes more.
        (Side.BUY, MAX_BASE_UNITS, Limits(MAX_BASE_UNITS, MAX_BASE_UNITS)),
    ],
)
def test_what_a_limit_means_for_an_amount(side: Side, amount: int, limits: Limits) -> None:
    assert guard_of(Decimal("170.000001"), side, amount, SOL, USDC) == limits


@pytest.mark.parametrize(
    ("price", "side", "amount", "comes_to"),
    [
        ("333.3333333", Side.SELL, 1, "0.333333"),
        ("1000", Side.SELL, 1, None),
        ("2000", Side.BUY, 1, "0.5"),
        ("1000", Side.BUY, 1, None),
        ("1000.1", Side.BUY, 1, "0.9999"),
    ],
)
def test_less_than_one_unit_of_the_other_token_is_nothing(
    price: str, side: Side, amount: int, comes_to: str | None
) -> None:
    assert buys_nothing(Decimal(price), side, amount, SOL, USDC) == (None if comes_to is None else Decimal(comes_to))


def test_a_full_price_has_every_digit() -> None:
    quote = a_quote(amount_in=MAX_BASE_UNITS, amount_out=MAX_BASE_UNITS - 2)
    assert full_price(quote) == Fraction(MAX_BASE_UNITS - 2, MAX_BASE_UNITS)


@pytest.mark.parametrize(
    ("limit", "market", "bps"),
    [("100", "100", 0), ("99", "100", 0), ("100.000001", "100", 1), ("101.015", "100", 102), ("110", "100", 1000)],
)
def test_how_far_the_market_has_to_rise(limit: str, market: str, bps: int) -> None:
    assert distance_bps(Fraction(limit), Fraction(market)) == bps


def test_prices_are_rounded_for_people_and_to_the_safe_side_for_postgres() -> None:
    third = Fraction(2, 3)
    assert rounded(third) == Decimal("0.666666666667")
    assert (rounded(Fraction(25, 2), 2), rounded(Fraction(27, 2), 2)) == (Decimal(12), Decimal(14))
    assert rounded_up(Fraction(1, 3)) == Decimal("0." + "3" * 29 + "4")
    assert rounded_down(third) == Decimal("0." + "6" * 30)
