"""Amounts: exact at the edge, integers inside, rounded the way that the venues publish."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.amounts import (
    MAX_BASE_UNITS,
    InvalidAmount,
    format_amount,
    maximum_input,
    minimum_output,
    plain,
    price,
    to_base_units,
    to_decimal,
)
from chalicelib.domain.tokens import BONK, REGISTRY, SOL, USDC, Token

tokens = st.sampled_from(REGISTRY)
base_units = st.integers(1, MAX_BASE_UNITS)
slippages = st.integers(0, 10_000)


@given(base_units, tokens)
def test_base_units_survive_the_way_out_and_back(units: int, token: Token) -> None:
    text = format_amount(units, token)
    assert to_base_units(Decimal(text), token) == units
    assert to_base_units(to_decimal(units, token), token) == units


@given(base_units, tokens)
def test_a_formatted_amount_is_a_plain_decimal(units: int, token: Token) -> None:
    text = format_amount(units, token)
    assert set(text) <= set("0123456789.")
    assert Fraction(text) == Fraction(units, 10**token.decimals)
    assert not text.endswith((".", "0")) or "." not in text


@pytest.mark.parametrize(
    ("text", "token", "units"),
    [
        ("1", SOL, 1_000_000_000),
        ("1.50", SOL, 1_500_000_000),
        ("0.000000001", SOL, 1),
        ("1e3", USDC, 1_000_000_000),
        ("165.2345670000000", USDC, 165_234_567),
        ("0.00001", BONK, 1),
        ("18446744073.709551615", SOL, MAX_BASE_UNITS),
        ("18446744073709.551615", USDC, MAX_BASE_UNITS),
    ],
)
def test_exact_amounts(text: str, token: Token, units: int) -> None:
    assert to_base_units(Decimal(text), token) == units


@pytest.mark.parametrize(
    ("text", "token", "reason"),
    [
        ("NaN", SOL, "finite"),
        ("sNaN", SOL, "finite"),
        ("Infinity", SOL, "finite"),
        ("0", SOL, "greater than zero"),
        ("-1", SOL, "greater than zero"),
        ("-1e-400", SOL, "greater than zero"),
        ("1e400000", USDC, "larger"),
        ("18446744073.709551616", SOL, "larger"),
        ("99999999999999999999999", USDC, "larger"),
        ("0.0000000001", SOL, "more than the 9 decimals of SOL"),
        ("1.0000001", USDC, "more than the 6 decimals of USDC"),
        ("1e-400000", BONK, "more than the 5 decimals"),
        ("1." + "0" * 58 + "1", USDC, "more than the 6 decimals"),
    ],
)
def test_what_is_refused_and_why(text: str, token: Token, reason: str) -> None:
    with pytest.raises(InvalidAmount, match=reason):
        to_base_units(Decimal(text), token)


@given(st.decimals(allow_nan=True, allow_infinity=True), tokens)
def test_any_decimal_is_exact_or_refused(amount: Decimal, token: Token) -> None:
    try:
        units = to_base_units(amount, token)
    except InvalidAmount:
        return
    assert 0 < units <= MAX_BASE_UNITS
    assert Fraction(units, 10**token.decimals) == Fraction(amount)


@given(st.integers(-(10**25), 10**25), st.integers(-20, 5), tokens)
def test_nothing_that_fits_is_refused(digits: int, exponent: int, token: Token) -> None:
    value = Fraction(digits) * Fraction(10) ** exponent
    scaled = value * 10**token.decimals
    fits = scaled.denominator == 1 and 0 < scaled <= MAX_BASE_UNITS
    amount = Decimal(digits).scaleb(exponent)
    if fits:
        assert to_base_units(amount, token) == scaled
    else:
        with pytest.raises(InvalidAmount):
            to_base_units(amount, token)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1.500", "1.5"),
        ("1E+3", "1000"),
        ("100", "100"),
        ("0.00", "0"),
        ("1E-9", "0.000000001"),
        ("1.0", "1"),
        ("10.0", "10"),
    ],
)
def test_plain(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@pytest.mark.parametrize(
    ("expected", "bps", "threshold"),
    [
        (165_234_567, 50, 164_408_394),
        (88531692, 50, 88089033),
        (156989496, 50, 156204548),
        (13738391, 50, 13669699),
        (18446744073709551615, 1000, 16602069666338596453),
    ],
)
def test_the_minimum_is_raydiums_and_meteoras(expected: int, bps: int, threshold: int) -> None:
    assert minimum_output(expected, bps) == threshold


@pytest.mark.parametrize(
    ("expected", "bps", "published"),
    [(16198753, 50, 16117760), (166974, 1, 166958), (9998099, 50, 9948109), (756688408, 10, 755931720)],
)
def test_jupiter_publishes_a_minimum_of_one_unit_more(expected: int, bps: int, published: int) -> None:
    assert expected - expected * bps // 10_000 == published
    assert minimum_output(expected, bps) == published - 1


def test_the_maximum_is_raydiums_and_meteoras_and_orcas_one_unit_more() -> None:
    assert maximum_input(999988913, 50) == 1004988857
    assert -(-999988913 * 10_050 // 10_000) == 1004988858


@given(base_units, slippages)
def test_the_minimum_is_the_floor_of_the_exact_share_and_never_nothing(expected: int, bps: int) -> None:
    exact = Fraction(expected) * (10_000 - bps) / 10_000
    assert minimum_output(expected, bps) == max(exact.__floor__(), 1)
    assert 0 < minimum_output(expected, bps) <= expected


@given(base_units, slippages)
def test_the_maximum_never_lets_a_trader_pay_past_the_exact_share(expected: int, bps: int) -> None:
    exact = Fraction(expected) * (10_000 + bps) / 10_000
    assert maximum_input(expected, bps) == min(exact.__floor__(), MAX_BASE_UNITS)
    assert maximum_input(expected, bps) >= expected


@given(base_units, tokens, base_units, tokens)
def test_a_price_has_twelve_correct_digits(amount_in: int, token_in: Token, amount_out: int, token_out: Token) -> None:
    exact = Fraction(amount_out, 10**token_out.decimals) / Fraction(amount_in, 10**token_in.decimals)
    given_price = price(amount_in, token_in, amount_out, token_out)
    assert len(given_price.as_tuple().digits) <= 12
    assert abs(Fraction(given_price) / exact - 1) <= Fraction(1, 2 * 10**11)


def test_a_price_in_display_units() -> None:
    assert price(1_000_000_000, SOL, 165_250_000, USDC) == Decimal("165.25")
    assert price(165_250_000, USDC, 1_000_000_000, SOL) == Decimal("0.00605143721634")
