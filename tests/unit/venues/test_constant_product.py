"""The constant-product pool: what Raydium's program gives, and rounding that never favours the trader."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.domain.amounts import MAX_BASE_UNITS
from chalicelib.venues.pools.constant_product import ConstantProductPool, ConstantProductSwap
from chalicelib.venues.pools.swap import TooLarge, TooSmall, ceil_div

reserves = st.integers(1, 2**64 - 1)
rates = st.integers(0, 100_000)
pools = st.builds(
    ConstantProductPool,
    reserve_in=reserves,
    reserve_out=reserves,
    trade_fee_rate=rates,
    creator_fee_rate=st.one_of(st.just(0), rates),
    creator_fee_on_output=st.booleans(),
)
amounts = st.integers(1, 2**64 - 1)


def a_pool(x: int, y: int, rate: int) -> ConstantProductPool:
    return ConstantProductPool(reserve_in=x, reserve_out=y, trade_fee_rate=rate)


def sold(pool: ConstantProductPool, amount_in: int) -> ConstantProductSwap | None:
    try:
        return pool.swap_exact_in(amount_in)
    except (TooSmall, TooLarge):
        return None


def bought(pool: ConstantProductPool, amount_out: int) -> ConstantProductSwap | None:
    try:
        return pool.swap_exact_out(amount_out)
    except (TooSmall, TooLarge):
        return None


def ceiling(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


SOL_USDC = (1000000000000, 165250000000)
U64 = 18446744073709551615


@pytest.mark.parametrize(
    ("x", "y", "rate", "amount_in", "expected"),
    [
        (*SOL_USDC, 2500, 1000000000, (164672614, 2500000, 300000, 100000)),
        (*SOL_USDC, 2500, 1, None),
        (4000000, 70000000000, 100, 10, (157499, 1, 0, 0)),
        (4000000, 70000000000, 40000, 10, (157499, 1, 0, 0)),
        (U64, U64, 10000, U64, (9177023433654500551, 184467440737095517, 22136092888451462, 7378697629483820)),
        (30000, 1000, 3000, 401, (13, 2, 0, 0)),
        (30000, 1000, 3000, 31, None),
        (1000, 1000, 2500, 400, (285, 1, 0, 0)),
        (1000, 1000, 2500, 401, (285, 2, 0, 0)),
        (4000000, 70000000000, 0, 10, (174999, 0, 0, 0)),
        (29980, 10000, 0, 20, (6, 0, 0, 0)),
        (29980, 10000, 0, 19, (6, 0, 0, 0)),
        (29980, 10000, 0, 18, (6, 0, 0, 0)),
        (20000, 30000, 0, 10, (14, 0, 0, 0)),
        (19991, 30000, 0, 10, (14, 0, 0, 0)),
        (19990, 30000, 0, 10, (15, 0, 0, 0)),
        (60000, 30000, 0, 100, (49, 0, 0, 0)),
        (60000, 30000, 0, 99, (49, 0, 0, 0)),
        (60000, 30000, 0, 98, (48, 0, 0, 0)),
    ],
)
def test_selling_is_the_programs(
    x: int, y: int, rate: int, amount_in: int, expected: tuple[int, int, int, int] | None
) -> None:
    swap = sold(a_pool(x, y, rate), amount_in)
    assert (swap and (swap.amount_out, swap.fee, swap.protocol_fee, swap.fund_fee)) == expected


@pytest.mark.parametrize(
    ("x", "y", "rate", "amount_out", "expected"),
    [
        (*SOL_USDC, 2500, 164670790, (999988913, 2499973)),
        (*SOL_USDC, 2500, 1, (8, 1)),
        # The input would be above u64; and the pool would be emptied.
        (*SOL_USDC, 2500, 165249999999, None),
        (*SOL_USDC, 2500, 165250000000, None),
        (4000000, 70000000000, 40000, 174999, (11, 1)),
        (30000, 1000, 3000, 13, (398, 2)),
        (1000, 1000, 10000, 500, (1011, 11)),
        (1000, 1000, 2500, 999, (1001504, 2504)),
    ],
)
def test_buying_is_the_programs(x: int, y: int, rate: int, amount_out: int, expected: tuple[int, int] | None) -> None:
    swap = bought(a_pool(x, y, rate), amount_out)
    assert (swap and (swap.amount_in, swap.fee)) == expected


@pytest.mark.parametrize(
    ("on_output", "exact", "amount", "expected"),
    [
        (False, "in", 1000000000, (1000000000, 164590153, 2500000, 500000)),
        (True, "in", 1000000000, (1000000000, 164590277, 2500000, 82337)),
        (False, "out", 164670790, (1000490412, 164670790, 2501227, 500245)),
        (True, "out", 164670790, (1000489660, 164670790, 2501225, 82377)),
    ],
)
def test_the_creators_fee_is_taken_where_the_pool_says(
    on_output: bool, exact: str, amount: int, expected: tuple[int, int, int, int]
) -> None:
    pool = ConstantProductPool(
        reserve_in=SOL_USDC[0],
        reserve_out=SOL_USDC[1],
        trade_fee_rate=2500,
        creator_fee_rate=500,
        creator_fee_on_output=on_output,
    )
    swap = pool.swap_exact_in(amount) if exact == "in" else pool.swap_exact_out(amount)
    assert (swap.amount_in, swap.amount_out, swap.fee, swap.creator_fee) == expected
    assert swap.creator_fee_on_output == on_output
    assert not swap.fee_on_output


def test_the_creators_part_of_a_large_fee_is_exact() -> None:
    pool = ConstantProductPool(reserve_in=U64, reserve_out=U64, trade_fee_rate=30_000, creator_fee_rate=70_000)
    swap = pool.swap_exact_in(U64)
    fees = -(-U64 // 10)
    assert (swap.creator_fee, swap.fee) == (fees * 7 // 10, fees - fees * 7 // 10)


@given(st.integers(0, 2**80), st.integers(1, 2**80))
def test_ceil_div(numerator: int, denominator: int) -> None:
    assert ceil_div(numerator, denominator) == ceiling(Fraction(numerator, denominator))


@given(reserves, reserves, rates, amounts)
def test_selling_is_the_published_formula(x: int, y: int, rate: int, amount_in: int) -> None:
    fee = ceiling(Fraction(amount_in * rate, 1_000_000))
    net = Fraction(amount_in - fee)
    out = (y * net / (x + net)).__floor__()
    swap = sold(a_pool(x, y, rate), amount_in)
    assert (swap and (swap.amount_in, swap.amount_out, swap.fee)) == ((amount_in, out, fee) if out else None)


@given(pools, amounts)
def test_selling_never_lowers_k(pool: ConstantProductPool, amount_in: int) -> None:
    swap = sold(pool, amount_in)
    assume(swap is not None)
    assert swap is not None
    before = pool.reserve_in * pool.reserve_out
    # The fees leave the pool here, which is the harder case.
    fees_in = swap.fee + (0 if pool.creator_fee_on_output else swap.creator_fee)
    fees_out = swap.creator_fee if pool.creator_fee_on_output else 0
    assert (pool.reserve_in + amount_in - fees_in) * (pool.reserve_out - swap.amount_out - fees_out) >= before


@given(pools, amounts)
def test_what_a_purchase_costs_buys_at_least_as_much_and_one_unit_less_no_more(
    pool: ConstantProductPool, amount_out: int
) -> None:
    swap = bought(pool, amount_out)
    assume(swap is not None)
    assert swap is not None
    assert swap.amount_out == amount_out
    again = sold(pool, swap.amount_in)
    assert again is not None
    assert again.amount_out >= amount_out
    one_less = sold(pool, swap.amount_in - 1)
    assert one_less is None or one_less.amount_out <= amount_out


@given(pools, amounts)
def test_going_there_and_back_never_pays(pool: ConstantProductPool, amount_in: int) -> None:
    there = sold(pool, amount_in)
    assume(there is not None)
    assert there is not None
    after = ConstantProductPool(
        reserve_in=pool.reserve_out - there.amount_out,
        reserve_out=pool.reserve_in + amount_in - there.fee,
        trade_fee_rate=pool.trade_fee_rate,
    )
    back = sold(after, there.amount_out)
    assert back is None or back.amount_out <= amount_in


@given(pools, amounts, amounts)
def test_more_in_gives_no_less_out_and_fees_and_impact_are_shares(
    pool: ConstantProductPool, one: int, other: int
) -> None:
    small, large = (sold(pool, amount) for amount in sorted((one, other)))
    for swap in filter(None, (small, large)):
        assert 0 <= swap.protocol_fee + swap.fund_fee <= swap.fee <= swap.amount_in
        assert 0 <= swap.price_impact <= 1
    assert (small.amount_out if small else 0) <= (large.amount_out if large else 0)


def test_the_impact_is_that_of_the_unrounded_price() -> None:
    pool = a_pool(*SOL_USDC, 2500)
    assert pool.swap_exact_in(1_000_000_000).price_impact == Fraction(997_500_000, 1_000_997_500_000)
    assert pool.swap_exact_out(165_250_000).price_impact == Fraction(1, 1000)
    # Of 1.48 units one comes out: a third is lost in rounding, none to the market.
    assert pool.swap_exact_in(10).price_impact < Fraction(1, 10**10)
    assert pool.swap_exact_out(1).price_impact < Fraction(1, 10**10)


@pytest.mark.parametrize("amount", [0, -1, MAX_BASE_UNITS + 1])
def test_what_no_program_takes_is_refused(amount: int) -> None:
    refusal = TooLarge if amount > 0 else TooSmall
    with pytest.raises(refusal):
        a_pool(*SOL_USDC, 2500).swap_exact_in(amount)
    with pytest.raises(refusal):
        a_pool(*SOL_USDC, 2500).swap_exact_out(amount)
