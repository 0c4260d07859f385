"""The constant-product pool: Raydium's published formulas, and rounding that never favours the trader."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.venues.pools import PARTS, ConstantProductPool, PoolAnswer, TooLarge, TooSmall, ceil_div, impact

reserves = st.integers(1, 2**64 - 1)
rates = st.integers(0, 100_000)
pools = st.builds(ConstantProductPool, reserve_in=reserves, reserve_out=reserves, fee_rate=rates)
amounts = st.integers(1, 2**64 - 1)


def sold(pool: ConstantProductPool, amount_in: int) -> PoolAnswer | None:
    try:
        return pool.sell(amount_in)
    except TooSmall:
        return None


def ceiling(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


@given(st.integers(0, 2**80), st.integers(1, 2**80))
def test_ceil_div(numerator: int, denominator: int) -> None:
    assert ceil_div(numerator, denominator) == ceiling(Fraction(numerator, denominator))


@given(pools, amounts)
def test_selling_is_the_published_formula(pool: ConstantProductPool, amount_in: int) -> None:
    fee = ceiling(Fraction(amount_in * pool.fee_rate, 1_000_000))
    net = Fraction(amount_in - fee)
    out = (pool.reserve_out * net / (pool.reserve_in + net)).__floor__()
    answer = sold(pool, amount_in)
    if out == 0:
        assert answer is None
    else:
        assert answer is not None
        assert (answer.amount_in, answer.amount_out, answer.fee) == (amount_in, out, fee)


@given(pools, amounts)
def test_selling_never_lowers_k(pool: ConstantProductPool, amount_in: int) -> None:
    answer = sold(pool, amount_in)
    assume(answer is not None)
    assert answer is not None
    before = pool.reserve_in * pool.reserve_out
    # The fee leaves the pool here, which is the harder case.
    assert (pool.reserve_in + amount_in - answer.fee) * (pool.reserve_out - answer.amount_out) >= before
    assert answer.amount_out < pool.reserve_out


@given(pools, amounts)
def test_buying_never_lowers_k(pool: ConstantProductPool, amount_out: int) -> None:
    assume(amount_out < pool.reserve_out)
    answer = pool.buy(amount_out)
    before = pool.reserve_in * pool.reserve_out
    net = answer.amount_in - answer.fee
    assert answer.amount_out == amount_out
    assert (pool.reserve_in + net) * (pool.reserve_out - amount_out) >= before


@given(pools, amounts)
def test_what_a_purchase_costs_buys_at_least_as_much(pool: ConstantProductPool, amount_out: int) -> None:
    assume(amount_out < pool.reserve_out)
    assert pool.sell(pool.buy(amount_out).amount_in).amount_out >= amount_out


@given(pools, amounts)
def test_a_purchase_costs_no_more_than_it_must(pool: ConstantProductPool, amount_out: int) -> None:
    assume(amount_out < pool.reserve_out)
    one_less = sold(pool, pool.buy(amount_out).amount_in - 1)
    assert one_less is None or one_less.amount_out <= amount_out


@given(pools, amounts)
def test_going_there_and_back_never_pays(pool: ConstantProductPool, amount_in: int) -> None:
    there = sold(pool, amount_in)
    assume(there is not None)
    assert there is not None
    after = ConstantProductPool(
        reserve_in=pool.reserve_out - there.amount_out,
        reserve_out=pool.reserve_in + amount_in - there.fee,
        fee_rate=pool.fee_rate,
    )
    back = sold(after, there.amount_out)
    assert back is None or back.amount_out <= amount_in


@given(pools, amounts, amounts)
def test_more_in_gives_no_less_out(pool: ConstantProductPool, one: int, other: int) -> None:
    small, large = (sold(pool, amount) for amount in sorted((one, other)))
    assert (small.amount_out if small else 0) <= (large.amount_out if large else 0)


@given(pools, amounts)
def test_the_fee_is_within_the_input_and_the_impact_within_0_and_100(pool: ConstantProductPool, amount_in: int) -> None:
    answer = sold(pool, amount_in)
    assume(answer is not None)
    assert answer is not None
    assert 0 <= answer.fee <= amount_in
    assert Decimal(0) <= answer.price_impact_pct <= 100


def test_a_known_trade() -> None:
    pool = ConstantProductPool(1_000_000_000_000, 165_250_000_000, 2_500)
    answer = pool.sell(1_000_000_000)
    assert answer.fee == 2_500_000
    assert answer.amount_out == 165_250_000_000 * 997_500_000 // (1_000_000_000_000 + 997_500_000)
    assert answer.price_impact_pct == Decimal("0.0997")


def test_the_pool_can_never_be_emptied() -> None:
    pool = ConstantProductPool(10**12, 10**9, 2_500)
    with pytest.raises(TooLarge):
        pool.buy(10**9)
    assert pool.buy(10**9 - 1).amount_in > 0
    assert pool.sell(2**64 - 1).amount_out < 10**9


def test_a_crumb_is_too_small() -> None:
    with pytest.raises(TooSmall):
        ConstantProductPool(10**12, 10**9, 2_500).sell(1)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_impact_is_the_shortfall_in_percent(ideal: int, real: int) -> None:
    given_impact = impact(Decimal(ideal), Decimal(real))
    exact = max(Fraction(ideal - real, ideal) * 100, Fraction(0)) if ideal else Fraction(0)
    assert abs(Fraction(given_impact) - exact) <= Fraction(1, 20_000)


def test_parts_are_millionths() -> None:
    assert PARTS == 1_000_000
