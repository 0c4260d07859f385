"""The bin pool against a slow reference in exact fractions, written from the formulas and searching for each amount."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import cache

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.venues.pools import BinPool, PoolAnswer, TooLarge, TooSmall


@st.composite
def pools(draw: st.DrawFn) -> BinPool:
    step = draw(st.integers(1, 100))
    return BinPool(
        active_bin=draw(st.integers(-30_000 // step // 10, 30_000 // step // 10)),
        bin_step=step,
        bin_reserve=draw(st.one_of(st.integers(1, 1000), st.integers(1, 10**18))),
        bins=draw(st.integers(1, 12)),
        base_factor=draw(st.integers(0, 50_000)),
        variable_fee_control=draw(st.integers(0, 100_000)),
        volatility_reference=draw(st.integers(0, 50_000)),
        max_volatility=draw(st.integers(0, 350_000)),
    )


def smallest(low: int, is_enough: Callable[[int], bool]) -> int:
    """The smallest number from `low` on that is enough, found by trying."""
    width = 1
    while not is_enough(low + width):
        width *= 2
    high = low + width
    while low < high:
        middle = (low + high) // 2
        if is_enough(middle):
            high = middle
        else:
            low = middle + 1
    return low


def ceiling(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


@cache
def bin_price(step: int, number: int) -> Fraction:
    """FACTS: `(1 + binStep/10_000)^binId`."""
    return Fraction(10_000 + step, 10_000) ** number


def fee_share(pool: BinPool, crossed: int) -> Fraction:
    """FACTS: base fee plus variable fee over 1e9, at most 10 %."""
    base = Fraction(pool.base_factor * pool.bin_step * 10, 10**9)
    volatility = min(pool.volatility_reference + crossed * 10_000, pool.max_volatility)
    variable = Fraction(ceiling(Fraction(pool.variable_fee_control * (volatility * pool.bin_step) ** 2, 10**11)), 10**9)
    return min(base + variable, Fraction(1, 10))


def out_of_bin(pool: BinPool, crossed: int, gross: int) -> int:
    """What one bin gives for so much, its fee taken first."""
    price = bin_price(pool.bin_step, pool.active_bin - crossed)
    net = gross - ceiling(gross * fee_share(pool, crossed))
    return min(pool.bin_reserve, (net * price).__floor__())


def gross_for(pool: BinPool, crossed: int, wanted: int) -> int:
    """The least that one bin takes for so much."""
    return smallest(0, lambda gross: out_of_bin(pool, crossed, gross) >= wanted)


def reference_sell(pool: BinPool, amount_in: int) -> int | None:
    left, out = amount_in, 0
    for crossed in range(pool.bins):
        emptying = gross_for(pool, crossed, pool.bin_reserve)
        if left < emptying:
            return out + out_of_bin(pool, crossed, left)
        left -= emptying
        out += pool.bin_reserve
    return None if left else out


def reference_buy(pool: BinPool, amount_out: int) -> int | None:
    left, gross = amount_out, 0
    for crossed in range(pool.bins):
        taken = min(left, pool.bin_reserve)
        gross += gross_for(pool, crossed, taken)
        left -= taken
        if left == 0:
            return gross
    return None


def answered(call: Callable[[int], PoolAnswer], amount: int) -> PoolAnswer | None:
    try:
        return call(amount)
    except (TooLarge, TooSmall):
        return None


@given(pools(), st.data())
def test_buying_is_what_the_reference_says(pool: BinPool, data: st.DataObject) -> None:
    amount_out = data.draw(st.integers(1, pool.bin_reserve * pool.bins + 1))
    expected = reference_buy(pool, amount_out)
    answer = answered(pool.buy, amount_out)
    assert (answer.amount_in if answer else None) == expected


@given(pools(), st.data())
def test_selling_is_what_the_reference_says(pool: BinPool, data: st.DataObject) -> None:
    everything = reference_buy(pool, pool.bin_reserve * pool.bins)
    assert everything is not None
    amount_in = data.draw(st.integers(1, everything + 1))
    expected = reference_sell(pool, amount_in)
    answer = answered(pool.sell, amount_in)
    assert (answer.amount_out if answer else None) == (expected or None)


@given(pools(), st.data())
def test_what_a_purchase_costs_buys_at_least_as_much(pool: BinPool, data: st.DataObject) -> None:
    amount_out = data.draw(st.integers(1, pool.bin_reserve * pool.bins))
    assert pool.sell(pool.buy(amount_out).amount_in).amount_out >= amount_out


@given(pools(), st.data())
def test_no_bin_gives_more_than_its_price_and_no_more_than_it_has(pool: BinPool, data: st.DataObject) -> None:
    amount_in = data.draw(st.integers(1, 10**20))
    answer = answered(pool.sell, amount_in)
    assume(answer is not None)
    assert answer is not None
    best = Fraction(10_000 + pool.bin_step, 10_000) ** pool.active_bin
    assert answer.amount_out <= (amount_in - answer.fee) * best
    assert answer.amount_out <= pool.bin_reserve * pool.bins
    assert 0 <= answer.fee <= amount_in
    assert Decimal(0) <= answer.price_impact_pct <= 100


@given(pools(), st.integers(1, 10**20), st.integers(1, 10**20))
def test_more_in_gives_no_less_out(pool: BinPool, one: int, other: int) -> None:
    small, large = (answered(pool.sell, amount) for amount in sorted((one, other)))
    if small is not None and large is not None:
        assert small.amount_out <= large.amount_out


ORDINARY = BinPool(
    active_bin=5108,
    bin_step=10,
    bin_reserve=10**12,
    bins=3,
    base_factor=20_000,
    variable_fee_control=7_500,
    volatility_reference=0,
    max_volatility=150_000,
)


def test_there_is_no_impact_inside_a_bin() -> None:
    assert ORDINARY.sell(10**9).price_impact_pct == 0
    assert ORDINARY.buy(10**12 + 10**11).price_impact_pct > 0


def test_the_base_fee_is_base_factor_times_bin_step() -> None:
    # 20,000 · 10 · 10 / 1e9 = 0.2 %
    assert ORDINARY.sell(10**9).fee == 2_000_000


@pytest.mark.parametrize("crossed", range(4))
def test_the_fee_grows_with_every_bin_crossed(crossed: int) -> None:
    deep = replace(ORDINARY, bins=5)
    # ceil(7,500 · (crossed · 10,000 · 10)² / 1e11) over 1e9, on top of the base fee.
    billionths = 2_000_000 + 750 * crossed**2
    reserves = 10**12 * crossed
    before = deep.buy(reserves).amount_in if crossed else 0
    step = deep.sell(before + 10**6)
    fee_before = deep.buy(reserves).fee if crossed else 0
    assert step.fee - fee_before == ceiling(Fraction(10**6 * billionths, 10**9))


def test_the_fee_is_capped_at_ten_percent() -> None:
    wild = replace(ORDINARY, volatility_reference=350_000, max_volatility=350_000, variable_fee_control=10**6)
    assert wild.sell(10**9).fee == 10**8


def test_volatility_has_a_maximum() -> None:
    calm = replace(ORDINARY, max_volatility=0)
    two_bins = calm.buy(2 * 10**12)
    # Two bins were crossed, and still it is the base fee alone.
    assert calm.sell(two_bins.amount_in + 10**6).fee - two_bins.fee == 2_000


def test_an_empty_handed_pool() -> None:
    with pytest.raises(TooLarge):
        ORDINARY.buy(3 * 10**12 + 1)
    with pytest.raises(TooLarge):
        ORDINARY.sell(ORDINARY.buy(3 * 10**12).amount_in + 1)
    with pytest.raises(TooSmall):
        ORDINARY.sell(1)
