"""Meteora DLMM (lb_clmm as deployed; dlmm-sdk `commons` of July 2026: `u64x64_math.rs`, `lb_pair.rs`, `quote.rs`).

Liquidity lies in bins; inside one the price stands still. A swap for Y takes bins downwards from the active one, a swap
for X upwards. Limit orders inside bins and the host's share of the fee are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from fractions import Fraction
from functools import lru_cache

from chalicelib.domain.amounts import BPS, MAX_BASE_UNITS
from chalicelib.venues.pools.swap import PoolSwap, TooLarge, TooSmall, ceil_div, checked, checked_input

FEE_PRECISION = 1_000_000_000
# 10 %, in billionths.
MAX_FEE_RATE = 100_000_000
VARIABLE_FEE_SCALE = 100_000_000_000
MIN_BIN_ID, MAX_BIN_ID = -443_636, 443_636
SCALE_OFFSET = 64
ONE = 1 << SCALE_OFFSET
U128_MAX = 2**128 - 1
MAX_EXPONENTIAL = 0x80000


class Direction(Enum):
    """Which token goes in."""

    X_TO_Y = auto()
    Y_TO_X = auto()


class CollectFeeMode(Enum):
    """Which token the fee is taken in: the one that goes in, or always Y."""

    INPUT_ONLY = auto()
    ONLY_Y = auto()


@dataclass(frozen=True, slots=True)
class Bin:
    """What a bin holds of both tokens."""

    x: int = 0
    y: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeParameters:
    """A preset's constants: `StaticParameters`. Periods in seconds, the reduction in basis points."""

    base_factor: int
    base_fee_power_factor: int = 0
    variable_fee_control: int = 0
    max_volatility_accumulator: int = 0
    filter_period: int = 30
    decay_period: int = 600
    reduction_factor: int = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Volatility:
    """How far the price has moved of late: `VariableParameters`. `updated_at` in seconds of the chain's clock."""

    index_reference: int
    reference: int = 0
    accumulator: int = 0
    updated_at: int = 0

    def referenced(self, active_id: int, at: int, parameters: FeeParameters) -> Volatility:
        """`update_references`: a swap within the filter period keeps both; later ones start from the active bin, with
        a reduced reference, and with none once the decay period is over."""
        elapsed = at - self.updated_at
        if elapsed < parameters.filter_period:
            return replace(self, updated_at=at)
        decayed = elapsed >= parameters.decay_period
        reference = 0 if decayed else self.accumulator * parameters.reduction_factor // BPS
        return replace(self, index_reference=active_id, reference=reference, updated_at=at)

    def accumulated(self, active_id: int, parameters: FeeParameters) -> Volatility:
        """`update_volatility_accumulator`: the reference and 10,000 for each bin of distance, up to the maximum."""
        distance = abs(self.index_reference - active_id)
        accumulator = min(self.reference + distance * BPS, parameters.max_volatility_accumulator)
        return replace(self, accumulator=accumulator)


@dataclass(frozen=True, slots=True, kw_only=True)
class BinSwap(PoolSwap):
    """`active_id` and `volatility` are the pool's after the swap."""

    active_id: int
    volatility: Volatility


@lru_cache(maxsize=4096)
def bin_price(bin_id: int, bin_step: int) -> int:
    """`get_price_from_id`: base units of Y for one of X in Q64.64, as the program raises `(1 + step)^binId`.

    The step is cut to 64 binary places, inverted, raised by squaring with every product cut, and inverted again for
    positive ids.

    Raises:
        TooLarge: the price does not fit Q64.64.
    """
    exponent = abs(bin_id)
    if exponent == 0:
        return ONE
    if exponent >= MAX_EXPONENTIAL:
        raise TooLarge
    squared, result = U128_MAX // (ONE + (bin_step << SCALE_OFFSET) // BPS), ONE
    while exponent:
        if exponent & 1:
            result = result * squared >> SCALE_OFFSET
        squared = squared * squared >> SCALE_OFFSET
        exponent >>= 1
    if result == 0:
        raise TooLarge
    return U128_MAX // result if bin_id > 0 else result


def fee_rate(bin_step: int, parameters: FeeParameters, volatility_accumulator: int) -> int:
    """`get_total_fee`, in billionths: `baseFactor · binStep · 10 · 10^power` plus
    `⌈vfc · (volatility · binStep)² / 10¹¹⌉`, at most 10 %."""
    base: int = parameters.base_factor * bin_step * 10 * 10**parameters.base_fee_power_factor
    squared = (volatility_accumulator * bin_step) ** 2
    variable = ceil_div(parameters.variable_fee_control * squared, VARIABLE_FEE_SCALE)
    return min(base + variable, MAX_FEE_RATE)


def fee_within(gross: int, rate: int) -> int:
    """`compute_fee_from_amount`: the fee that is part of a gross amount."""
    return ceil_div(gross * rate, FEE_PRECISION)


def fee_on_top(net: int, rate: int) -> int:
    """`compute_fee`: the fee that comes on top of a net amount."""
    return checked(ceil_div(net * rate, FEE_PRECISION - rate))


@dataclass(frozen=True, slots=True)
class _Fill:
    """What one bin does; `swapped_in` and `swapped_out` are without fee and rounding."""

    amount_in: int
    amount_out: int
    fee: int
    swapped_in: Fraction
    swapped_out: Fraction


@dataclass(frozen=True, slots=True)
class _OpenBin:
    """A bin that a swap has come to: what it holds of the output, its price and its fee rate."""

    reserve: int
    price: int
    direction: Direction
    rate: int
    fee_on_input: bool

    def cost(self, amount_out: int) -> int:
        """`get_amount_in`, rounded up: what so much costs without the fee."""
        if self.direction is Direction.X_TO_Y:
            return checked(ceil_div(amount_out << SCALE_OFFSET, self.price))
        return checked(ceil_div(amount_out * self.price, ONE))

    def worth(self, net: int) -> int:
        """`get_amount_out`, rounded down: what so much buys without the fee."""
        if self.direction is Direction.X_TO_Y:
            return checked(net * self.price >> SCALE_OFFSET)
        return checked((net << SCALE_OFFSET) // self.price)

    def exact_in(self, gross: int) -> _Fill:
        """`swap_exact_in_quote_at_bin`: the fee first; a net amount up to the bin's cost takes the whole gross."""
        fee = fee_within(gross, self.rate) if self.fee_on_input else 0
        net = gross - fee
        emptying = self.cost(self.reserve)
        if net >= emptying:
            swapped_out = self.reserve
            swapped_in = Fraction(swapped_out) / self.unit_price
        else:
            swapped_out = self.worth(net)
            swapped_in = Fraction(net)
        amount_in = gross
        if net > emptying:
            fee = fee_on_top(emptying, self.rate) if self.fee_on_input else 0
            amount_in = checked(emptying + fee)
        exact_out = swapped_in * self.unit_price
        if self.fee_on_input:
            return _Fill(amount_in, swapped_out, fee, swapped_in, exact_out)
        fee = fee_within(swapped_out, self.rate)
        return _Fill(amount_in, swapped_out - fee, fee, swapped_in, exact_out)

    def exact_out(self, wanted: int) -> _Fill:
        """`swap_exact_out_quote_at_bin`: what the bin must hold is drained; less than that is bought exactly."""
        swapped_out = wanted if self.fee_on_input else checked(wanted + fee_on_top(wanted, self.rate))
        if swapped_out >= self.reserve:
            return self.exact_in(MAX_BASE_UNITS)
        cost = self.cost(swapped_out)
        fill = self.exact_in(checked(cost + fee_on_top(cost, self.rate)) if self.fee_on_input else cost)
        swapped_in = Fraction(swapped_out) / self.unit_price
        return replace(fill, amount_out=wanted, swapped_in=swapped_in, swapped_out=Fraction(swapped_out))

    @property
    def unit_price(self) -> Fraction:
        """Output for one unit of input, exact."""
        return _unit_price(self.price, self.direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class BinPool:
    """A pair of Y per X: `bins` by id, those that hold something; `active_id` is where trading stands."""

    active_id: int
    bin_step: int
    bins: Mapping[int, Bin]
    fees: FeeParameters
    volatility: Volatility
    collect_fee_mode: CollectFeeMode = CollectFeeMode.INPUT_ONLY

    def swap_exact_in(self, amount_in: int, direction: Direction, *, at: int = 0) -> BinSwap:
        """`quote_exact_in`: what comes out for exactly so much at this second. Raises TooSmall, TooLarge."""
        left = checked_input(amount_in)
        walk = _Walk(self, direction, at)
        for open_bin in walk:
            fill = open_bin.exact_in(left)
            left -= fill.amount_in
            walk.take(fill)
            if left == 0:
                return walk.swap()
        raise TooLarge

    def swap_exact_out(self, amount_out: int, direction: Direction, *, at: int = 0) -> BinSwap:
        """`quote_exact_out`: what must go in for exactly so much at this second. Raises TooSmall, TooLarge."""
        left = checked_input(amount_out)
        walk = _Walk(self, direction, at)
        for open_bin in walk:
            fill = open_bin.exact_out(left)
            left -= fill.amount_out
            walk.take(fill)
            if left == 0:
                return walk.swap()
        raise TooLarge


class _Walk:
    """A swap on its way from bin to bin."""

    def __init__(self, pool: BinPool, direction: Direction, at: int) -> None:
        self._pool = pool
        self._direction = direction
        self._fee_on_input = pool.collect_fee_mode is CollectFeeMode.INPUT_ONLY or direction is Direction.Y_TO_X
        self._active_id = pool.active_id
        self._volatility = pool.volatility.referenced(pool.active_id, at, pool.fees)
        self._fills: list[_Fill] = []

    def __iter__(self) -> Iterator[_OpenBin]:
        """The bins that hold any of the output, from the active one on; an empty one moves no volatility."""
        pool = self._pool
        for_y = self._direction is Direction.X_TO_Y
        ahead = (bin_id for bin_id in pool.bins if (bin_id <= pool.active_id if for_y else bin_id >= pool.active_id))
        for bin_id in sorted(ahead, reverse=for_y):
            if not MIN_BIN_ID <= bin_id <= MAX_BIN_ID:
                raise TooLarge
            held = pool.bins[bin_id].y if for_y else pool.bins[bin_id].x
            if held == 0:
                continue
            self._active_id = bin_id
            self._volatility = self._volatility.accumulated(bin_id, pool.fees)
            yield _OpenBin(
                reserve=held,
                price=bin_price(bin_id, pool.bin_step),
                direction=self._direction,
                rate=fee_rate(pool.bin_step, pool.fees, self._volatility.accumulator),
                fee_on_input=self._fee_on_input,
            )

    def take(self, fill: _Fill) -> None:
        """Adds what a bin did."""
        self._fills.append(fill)

    def swap(self) -> BinSwap:
        """The whole. Raises TooSmall where nothing comes out, TooLarge where the sum does not fit 64 bits."""
        amount_out = sum(fill.amount_out for fill in self._fills)
        if amount_out <= 0:
            raise TooSmall
        return BinSwap(
            amount_in=checked(sum(fill.amount_in for fill in self._fills)),
            amount_out=checked(amount_out),
            fee=sum(fill.fee for fill in self._fills),
            fee_on_output=not self._fee_on_input,
            price_impact=self._price_impact(),
            active_id=self._active_id,
            volatility=self._volatility,
        )

    def _price_impact(self) -> Fraction:
        spot = _unit_price(bin_price(self._pool.active_id, self._pool.bin_step), self._direction)
        swapped_in = sum((fill.swapped_in for fill in self._fills), Fraction(0))
        swapped_out = sum((fill.swapped_out for fill in self._fills), Fraction(0))
        return 1 - swapped_out / (swapped_in * spot) if swapped_in else Fraction(0)


def _unit_price(price: int, direction: Direction) -> Fraction:
    return Fraction(price, ONE) if direction is Direction.X_TO_Y else Fraction(ONE, price)
