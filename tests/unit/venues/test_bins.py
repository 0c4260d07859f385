"""The bin pool against what Meteora's deployed program gives, and against a slow search in exact fractions."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.amounts import MAX_BASE_UNITS
from chalicelib.venues.pools.bins import (
    MAX_BIN_ID,
    MIN_BIN_ID,
    Bin,
    BinPool,
    BinSwap,
    CollectFeeMode,
    Direction,
    FeeParameters,
    Volatility,
    bin_price,
    fee_on_top,
    fee_rate,
    fee_within,
)
from chalicelib.venues.pools.swap import TooLarge, TooSmall

X_TO_Y, Y_TO_X = Direction.X_TO_Y, Direction.Y_TO_X
ONLY_Y = CollectFeeMode.ONLY_Y


def a_pool(
    direction: Direction,
    active_id: int,
    bin_step: int,
    reserve: int,
    bins: int,
    base_factor: int,
    variable_fee_control: int,
    volatility_reference: int,
    max_volatility: int,
    *,
    power: int = 0,
    mode: CollectFeeMode = CollectFeeMode.INPUT_ONLY,
) -> BinPool:
    """So many bins of equal reserves, from the active one on in the swap's direction."""
    away = -1 if direction is X_TO_Y else 1
    content = Bin(y=reserve) if direction is X_TO_Y else Bin(x=reserve)
    return BinPool(
        active_id=active_id,
        bin_step=bin_step,
        bins={active_id + away * number: content for number in range(bins)},
        fees=FeeParameters(
            base_factor=base_factor,
            base_fee_power_factor=power,
            variable_fee_control=variable_fee_control,
            max_volatility_accumulator=max_volatility,
        ),
        volatility=Volatility(index_reference=active_id, reference=volatility_reference),
        collect_fee_mode=mode,
    )


# Swaps that the deployed program was given, and what it took, gave and kept as fee; - where it refused. Before that:
# which way, whether in or out is exact, active bin, step, reserve of a bin, bins, base factor, variable fee control,
# volatility before, its most, power of the base fee, what the fee is taken of, and the amount,
# which = stands for.
VECTORS = """
D1  x→y in 5108 10 1000000000000 3 20000 7500 0 150000 0 in 1000000000 = 164588052198 2000000
D2  y→x in 5108 10 1000000000000 3 20000 7500 0 150000 0 in 1000000000 = 6051496 2000000
D3  x→y out 5108 10 1000000000000 3 20000 7500 0 150000 0 in 1 2 = 1
D4  x→y out 0 80 1000 1 10000 0 0 150000 0 in 1000 1009 = 9
D5  x→y out -1 80 1000 1 10000 0 0 150000 0 in 1000 1017 = 9
D7  x→y out -1 80 1000 8 13381 0 0 150000 0 in 8000 8392 = 95
D9  x→y in 0 1 10000 3 10000 0 0 150000 0 in 30010 = 29999 6
D10 y→x in 0 1 10000 3 10000 0 0 150000 0 in 30010 = 30000 6
D11 x→y out 0 50 1000 3 20000 7500 0 350000 0 in 3000 3050 = 33
D12 x→y in 0 125 1000000 1 12710 0 128195 350000 0 in 1016145 = 1000000 16145
D14 x→y in 0 125 1000000 1 12710 0 128195 350000 0 in 1016147 - - -
D15 x→y out 5108 10 1000000000000 5 20000 7500 0 150000 0 in 2500000000000 15201606225 = 30416908
D18 x→y in 100 25 1000000000 4 10000 40000 60000 350000 0 in 3000000000 = 3822124564 11734338
D19 x→y in 0 400 1000000000 4 25000 200000 350000 350000 0 in 1000000000 = 900000000 100000000
D21 x→y in -5108 10 1000000000000 3 20000 7500 0 150000 0 in 100 - - -
D22 x→y in 0 10 1000000000000 3 20000 7500 0 150000 0 in 1 - - -
D23 x→y in 0 10 1000000000000 3 20000 7500 0 150000 0 in 2 = 1 1
D24 x→y out -9688 10 53995680345 30 20000 7500 0 150000 0 in 1000000000000 16220181941552170 = 33632695795768
D26 x→y out 0 10 1000 2 20000 7500 0 150000 0 in 2001 - - -
D27 x→y out -3396 80 192025 1 20000 40000 0 350000 0 in 192025 110237595203373166 = 1763801523253971
D28 x→y in 0 400 100000000000000 5 10000 17064 0 70926 0 in 574693126000154 = 499999999999998 33060870000153
D30 x→y in -108 20 488234726767012672 1 10000 0 0 150000 0 in 607032649504615659 = 488234726767012671 1214065299009232
D32 x→y in 0 10 1000000000 3 20000 7500 0 150000 0 y 100000000 = 99800000 200000
D33 x→y out 0 10 1000000000 3 20000 7500 0 150000 0 y 100000000 100200401 = 200401
D34 y→x in 0 10 1000000000 3 20000 7500 0 150000 0 y 100000000 = 99800000 200000
D35 x→y in 0 10 1000000000 3 10000 0 0 150000 1 in 100000000 = 99000000 1000000
""".strip().splitlines()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.split()[0])
def test_a_swap_is_the_deployed_programs(vector: str) -> None:
    _, way, exact, *numbers, fee_of, amount, taken, given_out, fee = vector.split()
    direction = X_TO_Y if way == "x→y" else Y_TO_X
    mode = CollectFeeMode.INPUT_ONLY if fee_of == "in" else ONLY_Y
    *of_pool, power = map(int, numbers)
    pool = a_pool(direction, *of_pool, power=power, mode=mode)
    swap = pool.swap_exact_in if exact == "in" else pool.swap_exact_out
    if taken == "-":
        with pytest.raises((TooLarge, TooSmall)):
            swap(int(amount), direction)
        return
    done = swap(int(amount), direction)
    assert (done.amount_in, done.amount_out) == tuple(int(each.replace("=", amount)) for each in (taken, given_out))
    assert done.fee == int(fee)
    assert done.fee_on_output == (mode is ONLY_Y and direction is X_TO_Y)


@pytest.mark.parametrize(("direction", "worth"), [(X_TO_Y, Fraction(bin_price(-18, 250), 2**64)), (Y_TO_X, None)])
def test_a_bin_pays_the_exact_worth_of_a_large_amount_rounded_down(
    direction: Direction, worth: Fraction | None
) -> None:
    amount = 10**18 + 7
    pool = a_pool(direction, -18, 250, 10**19, 1, 0, 0, 0, 0)
    exact = amount * (worth or Fraction(2**64, bin_price(-18, 250)))
    assert pool.swap_exact_in(amount, direction).amount_out == exact.__floor__()


@pytest.mark.parametrize(
    ("bin_id", "bin_step", "price"),
    [
        (0, 10, 18446744073709551616),
        (1, 10, 18465190817783261167),
        (-1, 10, 18428315757951600016),
        (30, 10, 19008246131546625019),
        (-30, 10, 17901828741379573416),
        (5108, 10, 3042198072635251536001),
        (15, 250, 26716385619813447402),
        (-18, 250, 11827423438401757663),
        (-9688, 10, 1149680334819849),
        (1, 1, 18448588748116922571),
        (443636, 1, 340282366920938463463374607431768211455),
        (-443636, 1, 1),
    ],
)
def test_a_bins_price_is_the_programs(bin_id: int, bin_step: int, price: int) -> None:
    assert bin_price(bin_id, bin_step) == price


@pytest.mark.parametrize(
    ("bin_id", "bin_step"), [(450_000, 1), (-450_000, 1), (60_000, 10), (0x80000, 1), (-0x80000, 1)]
)
def test_a_price_that_does_not_fit_is_refused(bin_id: int, bin_step: int) -> None:
    with pytest.raises(TooLarge):
        bin_price(bin_id, bin_step)


@pytest.mark.parametrize(
    ("base_factor", "bin_step", "variable_fee_control", "accumulator", "power", "rate", "within", "on_top"),
    [
        (20000, 10, 7500, 0, 0, 2000000, 2000000, 2004009),
        (20000, 10, 7500, 10000, 0, 2000750, 2000750, 2004762),
        (20000, 10, 7500, 30000, 0, 2006750, 2006750, 2010786),
        (10000, 10, 40000, 100000, 0, 1400000, 1400000, 1401963),
        (10000, 10, 40000, 350000, 0, 5900000, 5900000, 5935017),
        (10000, 1, 2000000, 1, 0, 100001, 100001, 100012),
        (25000, 400, 0, 0, 0, 100000000, 100000000, 111111112),
        # One power of ten more; and the cap of 10 %.
        (10000, 10, 0, 0, 1, 10000000, 10000000, 10101011),
        (10000, 10, 0, 0, 3, 100000000, 100000000, 111111112),
    ],
)
def test_the_fee_rate_is_the_programs(
    base_factor: int,
    bin_step: int,
    variable_fee_control: int,
    accumulator: int,
    power: int,
    rate: int,
    within: int,
    on_top: int,
) -> None:
    parameters = FeeParameters(
        base_factor=base_factor, base_fee_power_factor=power, variable_fee_control=variable_fee_control
    )
    assert fee_rate(bin_step, parameters, accumulator) == rate
    assert fee_within(10**9, rate) == within
    assert fee_on_top(10**9, rate) == on_top


# Step 10, three bins of 10^9 Y, some time after a swap that left the accumulator at 50,000.
MOVED = replace(
    a_pool(X_TO_Y, 100, 10, 10**9, 3, 20_000, 40_000, 0, 350_000),
    volatility=Volatility(index_reference=103, reference=10_000, accumulator=50_000, updated_at=1_000),
)


@pytest.mark.parametrize(
    ("seconds", "amount_in", "fee", "reference", "index", "accumulator"),
    [
        (0, 1360601008, 2824620, 10_000, 103, 50_000),
        (5, 1360601008, 2824620, 10_000, 103, 50_000),
        (29, 1360601008, 2824620, 10_000, 103, 50_000),
        (30, 1360542379, 2765991, 25_000, 100, 35_000),
        (599, 1360542379, 2765991, 25_000, 100, 35_000),
        (600, 1360499203, 2722815, 0, 100, 10_000),
        (10**6, 1360499203, 2722815, 0, 100, 10_000),
    ],
)
def test_volatility_is_filtered_then_decays_then_is_forgotten(
    seconds: int, amount_in: int, fee: int, reference: int, index: int, accumulator: int
) -> None:
    swap = MOVED.swap_exact_out(1_500_000_000, X_TO_Y, at=1_000 + seconds)
    assert (swap.amount_in, swap.fee) == (amount_in, fee)
    assert swap.volatility == Volatility(
        index_reference=index, reference=reference, accumulator=accumulator, updated_at=1_000 + seconds
    )
    assert swap.active_id == 99


def test_exactly_what_a_bin_costs_takes_what_it_holds_and_no_more() -> None:
    # At 2.99 Y for an X the four cost two, which would be worth five.
    pool = a_pool(X_TO_Y, 110, 100, 4, 1, 0, 0, 0, 0)
    swap = pool.swap_exact_in(2, X_TO_Y)
    assert (swap.amount_in, swap.amount_out) == (2, 4)
    assert swap.price_impact == 0
    with pytest.raises(TooLarge):
        pool.swap_exact_in(3, X_TO_Y)


def test_an_empty_bin_is_passed_and_counts_as_distance_only() -> None:
    pool = a_pool(X_TO_Y, 0, 10, 1000, 5, 10_000, 40_000, 0, 350_000)
    gap = replace(pool, bins={**pool.bins, 0: Bin(), -1: Bin(x=7), -2: Bin(x=7)})
    swap = gap.swap_exact_out(500, X_TO_Y)
    assert swap.active_id == -3
    assert swap.volatility.accumulator == 30_000
    # The price is three bins below the spot, and that is the impact.
    assert Fraction(299, 100_000) < swap.price_impact < Fraction(3, 1000)


def test_bins_on_the_other_side_are_not_touched() -> None:
    pool = replace(
        a_pool(X_TO_Y, 0, 10, 1000, 1, 10_000, 0, 0, 0), bins={-1: Bin(x=10**6), 0: Bin(y=1000), 1: Bin(y=10**6)}
    )
    with pytest.raises(TooLarge):
        pool.swap_exact_out(1001, X_TO_Y)
    with pytest.raises(TooLarge):
        pool.swap_exact_out(1, Y_TO_X)


@pytest.mark.parametrize("direction", Direction)
def test_beyond_the_last_bin_id_there_is_no_liquidity(direction: Direction) -> None:
    last = MIN_BIN_ID if direction is X_TO_Y else MAX_BIN_ID
    beyond = last + (-1 if direction is X_TO_Y else 1)
    pool = BinPool(
        active_id=last,
        bin_step=1,
        bins={beyond: Bin(x=10, y=10)},
        fees=FeeParameters(base_factor=10_000),
        volatility=Volatility(index_reference=last),
    )
    with pytest.raises(TooLarge):
        pool.swap_exact_out(1, direction)


@pytest.mark.parametrize("amount", [0, -1])
def test_nothing_is_not_swapped(amount: int) -> None:
    with pytest.raises(TooSmall):
        MOVED.swap_exact_in(amount, X_TO_Y)
    with pytest.raises(TooSmall):
        MOVED.swap_exact_out(amount, X_TO_Y)


def test_what_does_not_fit_64_bits_is_refused() -> None:
    endless = a_pool(X_TO_Y, 0, 1, 2**63, 4, 10_000, 0, 0, 0)
    with pytest.raises(TooLarge):
        endless.swap_exact_in(MAX_BASE_UNITS + 1, X_TO_Y)
    assert endless.swap_exact_in(MAX_BASE_UNITS, X_TO_Y).amount_out > 2**63
    # The sum of two bins that fit one by one.
    with pytest.raises(TooLarge):
        endless.swap_exact_out(MAX_BASE_UNITS, X_TO_Y)
    # Draining the bin would cost more than 64 bits hold: the program fails on that, for however small a swap.
    dear = a_pool(X_TO_Y, -6932, 10, 2**60, 1, 10_000, 0, 0, 0)
    with pytest.raises(TooLarge):
        dear.swap_exact_in(10**9, X_TO_Y)


def test_there_is_no_impact_inside_a_bin_and_rounding_is_none() -> None:
    ordinary = a_pool(X_TO_Y, 5108, 10, 10**12, 3, 20_000, 40_000, 0, 350_000)
    assert ordinary.swap_exact_in(10**9, X_TO_Y).price_impact == 0
    assert ordinary.swap_exact_in(2, X_TO_Y).price_impact == 0
    assert ordinary.swap_exact_out(1, X_TO_Y).price_impact == 0
    assert ordinary.swap_exact_out(10**12, X_TO_Y).price_impact == 0


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize(
    ("bought", "impact_bps"), [(10**12 * 5 // 4, 2), (10**12 * 3 // 2, Fraction(10, 3)), (2 * 10**12, 5)]
)
def test_the_impact_of_two_bins_is_what_lies_between_their_prices_by_the_second_s_share(
    direction: Direction, bought: int, impact_bps: Fraction
) -> None:
    """The second is 10 basis points away, and each holds 10^12."""
    pool = a_pool(direction, 5108, 10, 10**12, 3, 20_000, 40_000, 0, 350_000)
    purchase = pool.swap_exact_out(bought, direction)
    for swap in (purchase, pool.swap_exact_in(purchase.amount_in, direction)):
        assert abs(swap.price_impact * 10_000 - impact_bps) < Fraction(1, 50)


@st.composite
def pools(draw: st.DrawFn) -> tuple[Direction, BinPool]:
    step = draw(st.integers(1, 100))
    direction = draw(st.sampled_from(Direction))
    return direction, a_pool(
        direction,
        draw(st.integers(-30_000 // step // 10, 30_000 // step // 10)),
        step,
        draw(st.one_of(st.integers(1, 1000), st.integers(1, 10**16))),
        draw(st.integers(1, 8)),
        draw(st.integers(0, 50_000)),
        draw(st.integers(0, 100_000)),
        draw(st.integers(0, 50_000)),
        draw(st.integers(0, 350_000)),
        mode=draw(st.sampled_from(CollectFeeMode)),
    )


def smallest(is_enough: Callable[[int], bool]) -> int:
    """The smallest number that is enough, found by trying."""
    high = 1
    while not is_enough(high):
        high *= 2
    low = 0
    while low < high:
        middle = (low + high) // 2
        if is_enough(middle):
            high = middle
        else:
            low = middle + 1
    return low


def ceiling(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


class Reference:
    """The pool in exact fractions: each bin by trying, with the program's own bin prices."""

    def __init__(self, direction: Direction, pool: BinPool) -> None:
        self.pool = pool
        self.on_output = pool.collect_fee_mode is ONLY_Y and direction is X_TO_Y
        self.bins = [
            (
                content.y if direction is X_TO_Y else content.x,
                Fraction(bin_price(bin_id, pool.bin_step), 2**64) ** (1 if direction is X_TO_Y else -1),
                Fraction(fee_rate(pool.bin_step, pool.fees, self._accumulator(bin_id)), 10**9),
            )
            for bin_id, content in pool.bins.items()
        ]

    def _accumulator(self, bin_id: int) -> int:
        volatility, fees = self.pool.volatility, self.pool.fees
        distance = abs(bin_id - volatility.index_reference)
        return min(volatility.reference + 10_000 * distance, fees.max_volatility_accumulator)

    def out_of(self, number: int, gross: int) -> int:
        reserve, price, rate = self.bins[number]
        net = gross if self.on_output else gross - ceiling(gross * rate)
        out = min(reserve, (net * price).__floor__())
        return out - ceiling(out * rate) if self.on_output else out

    def gross_for(self, number: int, wanted: int) -> int:
        return smallest(lambda gross: self.out_of(number, gross) >= wanted)

    def emptied(self, number: int) -> tuple[int, int]:
        """What the bin takes and gives when it is drained."""
        reserve, price, rate = self.bins[number]
        if self.on_output:
            return ceiling(reserve / price), reserve - ceiling(reserve * rate)
        return self.gross_for(number, reserve), reserve

    def sell(self, amount_in: int) -> int | None:
        left, out = amount_in, 0
        for number, (reserve, price, rate) in enumerate(self.bins):
            net = left if self.on_output else left - ceiling(left * rate)
            if net <= ceiling(reserve / price):
                return out + self.out_of(number, left)
            taken, given_out = self.emptied(number)
            left -= taken
            out += given_out
        return None

    def buy(self, amount_out: int) -> int | None:
        left, gross = amount_out, 0
        for number in range(len(self.bins)):
            taken, given_out = self.emptied(number)
            if left < given_out:
                return gross + self.gross_for(number, left)
            gross += taken
            left -= given_out
            if left == 0:
                return gross
        return None


def done(swap: Callable[[int, Direction], BinSwap], amount: int, direction: Direction) -> BinSwap | None:
    try:
        return swap(amount, direction)
    except (TooLarge, TooSmall):
        return None


@given(pools(), st.data())
def test_selling_is_what_the_reference_says(pair: tuple[Direction, BinPool], data: st.DataObject) -> None:
    direction, pool = pair
    reference = Reference(direction, pool)
    everything = sum(reference.emptied(number)[0] for number in range(len(pool.bins)))
    amount_in = data.draw(st.integers(1, everything + 3))
    expected = reference.sell(amount_in)
    swap = done(pool.swap_exact_in, amount_in, direction)
    assert (swap.amount_out if swap else None) == (expected or None)
    if swap:
        assert swap.amount_in == amount_in


@given(pools(), st.data())
def test_buying_is_what_the_reference_says(pair: tuple[Direction, BinPool], data: st.DataObject) -> None:
    direction, pool = pair
    reference = Reference(direction, pool)
    everything = sum(reference.emptied(number)[1] for number in range(len(pool.bins)))
    amount_out = data.draw(st.integers(1, everything + 3))
    least = reference.buy(amount_out)
    swap = done(pool.swap_exact_out, amount_out, direction)
    if not reference.on_output:
        assert (swap.amount_in if swap else None) == least
    elif swap is not None and least is not None:
        # With a fee on the output the program buys the gross of it: at times a unit more than the least that will do.
        assert swap.amount_in >= least


@given(pools(), st.data())
def test_what_a_purchase_costs_buys_at_least_as_much(pair: tuple[Direction, BinPool], data: st.DataObject) -> None:
    direction, pool = pair
    held = sum(max(content.x, content.y) for content in pool.bins.values())
    bought = done(pool.swap_exact_out, data.draw(st.integers(1, held)), direction)
    if bought is not None:
        assert pool.swap_exact_in(bought.amount_in, direction).amount_out >= bought.amount_out


@given(pools(), st.integers(1, 10**20), st.integers(1, 10**20))
def test_more_in_gives_no_less_out_and_fee_and_impact_are_shares(
    pair: tuple[Direction, BinPool], one: int, other: int
) -> None:
    direction, pool = pair
    small, large = (done(pool.swap_exact_in, amount, direction) for amount in sorted((one, other)))
    for swap in filter(None, (small, large)):
        assert 0 <= swap.fee <= (swap.amount_out + swap.fee if swap.fee_on_output else swap.amount_in)
        assert 0 <= swap.price_impact < 1
    if small is not None and large is not None:
        assert small.amount_out <= large.amount_out
