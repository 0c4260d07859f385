"""Pool arithmetic in integer base units, rounded against the trader.

Constant product: Raydium CPMM, `fee = ceil(in · rate / 1_000_000)`, `out = floor(y · (in − fee) / (x + in − fee))`.
Bins: Meteora DLMM, bin price `(1 + binStep / 10_000)^bin`, no impact inside a bin, base fee
`baseFactor · binStep · 10` over 1e9, variable fee `ceil(vfc · (volatility · binStep)² / 1e11)` over 1e9 with
`volatility = min(reference + |Δbin| · 10_000, max)`, the total capped at 10 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

PARTS = 1_000_000
FEE_PRECISION = 1_000_000_000
MAX_FEE = 100_000_000
WIDE = Context(prec=60)
FLOOR = Context(prec=60, rounding=ROUND_FLOOR)
CEILING = Context(prec=60, rounding=ROUND_CEILING)


class TooLarge(ValueError):
    """The pool does not hold enough."""


class TooSmall(ValueError):
    """Nothing would come out."""


@dataclass(frozen=True, slots=True)
class PoolAnswer:
    """What the pool takes and gives; the fee is part of `amount_in`."""

    amount_in: int
    amount_out: int
    fee: int
    price_impact_pct: Decimal


def ceil_div(numerator: int, denominator: int) -> int:
    """⌈numerator / denominator⌉ of non-negative integers."""
    return -(-numerator // denominator)


@dataclass(frozen=True, slots=True)
class ConstantProductPool:
    """`reserve_in · reserve_out` never falls; `fee_rate` is in millionths of the input."""

    reserve_in: int
    reserve_out: int
    fee_rate: int

    def sell(self, amount_in: int) -> PoolAnswer:
        """What comes out for exactly so much. Raises TooSmall."""
        fee = ceil_div(amount_in * self.fee_rate, PARTS)
        swapped = amount_in - fee
        amount_out = self.reserve_out * swapped // (self.reserve_in + swapped)
        if amount_out <= 0:
            raise TooSmall
        return PoolAnswer(amount_in, amount_out, fee, self._impact(swapped, amount_out))

    def buy(self, amount_out: int) -> PoolAnswer:
        """What must go in for exactly so much. Raises TooLarge."""
        if amount_out >= self.reserve_out:
            raise TooLarge
        swapped = ceil_div(self.reserve_in * amount_out, self.reserve_out - amount_out)
        amount_in = ceil_div(swapped * PARTS, PARTS - self.fee_rate)
        fee = ceil_div(amount_in * self.fee_rate, PARTS)
        if amount_in - fee < swapped:
            amount_in += 1
            fee = ceil_div(amount_in * self.fee_rate, PARTS)
        return PoolAnswer(amount_in, amount_out, fee, self._impact(swapped, amount_out))

    def _impact(self, swapped: int, amount_out: int) -> Decimal:
        """How much worse than the spot price `y / x` the trade is, in percent."""
        ideal = WIDE.divide(Decimal(self.reserve_out) * swapped, Decimal(self.reserve_in))
        return impact(ideal, Decimal(amount_out))


def impact(ideal: Decimal, real: Decimal) -> Decimal:
    """`(ideal − real) / ideal` in percent, to four decimals, never negative."""
    if ideal <= 0:
        return Decimal(0)
    worse = WIDE.divide((ideal - real) * 100, ideal)
    return max(worse, Decimal(0)).quantize(Decimal("0.0001"), context=WIDE)


@dataclass(frozen=True, slots=True)
class BinPool:
    """Liquidity in bins of `bin_step` basis points; the active one gives output at `(1 + step)^active_bin`.

    Each of the `bins` bins from the active one down holds `bin_reserve` base units of the output token.
    """

    active_bin: int
    bin_step: int
    bin_reserve: int
    bins: int
    base_factor: int
    variable_fee_control: int
    volatility_reference: int
    max_volatility: int

    def sell(self, amount_in: int) -> PoolAnswer:
        """What comes out for exactly so much. Raises TooSmall, TooLarge."""
        left, amount_out, fee = amount_in, 0, 0
        for crossed in range(self.bins):
            price, rate = self._price(crossed), self._fee_rate(crossed)
            emptying = int(CEILING.divide(Decimal(self.bin_reserve), price).to_integral_value(ROUND_CEILING))
            emptying_fee = ceil_div(emptying * rate, FEE_PRECISION - rate)
            if left < emptying + emptying_fee:
                last_fee = ceil_div(left * rate, FEE_PRECISION)
                taken = left - last_fee
                last_out = int(FLOOR.multiply(Decimal(taken), price).to_integral_value(ROUND_FLOOR))
                amount_out += min(last_out, self.bin_reserve)
                return self._answer(amount_in, amount_out, fee + last_fee)
            left -= emptying + emptying_fee
            fee += emptying_fee
            amount_out += self.bin_reserve
        if left == 0:
            return self._answer(amount_in, amount_out, fee)
        raise TooLarge

    def buy(self, amount_out: int) -> PoolAnswer:
        """What must go in for exactly so much. Raises TooLarge."""
        left, amount_in, fee = amount_out, 0, 0
        for crossed in range(self.bins):
            price, rate = self._price(crossed), self._fee_rate(crossed)
            taken = min(left, self.bin_reserve)
            needed = int(CEILING.divide(Decimal(taken), price).to_integral_value(ROUND_CEILING))
            bin_fee = ceil_div(needed * rate, FEE_PRECISION - rate)
            amount_in += needed + bin_fee
            fee += bin_fee
            left -= taken
            if left == 0:
                return self._answer(amount_in, amount_out, fee)
        raise TooLarge

    def _answer(self, amount_in: int, amount_out: int, fee: int) -> PoolAnswer:
        if amount_out <= 0:
            raise TooSmall
        ideal = WIDE.multiply(Decimal(amount_in - fee), self._price(0))
        return PoolAnswer(amount_in, amount_out, fee, impact(ideal, Decimal(amount_out)))

    def _price(self, crossed: int) -> Decimal:
        """Output base units per input base unit, `crossed` bins below the active one."""
        step = 1 + Decimal(self.bin_step) / 10_000
        return WIDE.power(step, self.active_bin - crossed)

    def _fee_rate(self, crossed: int) -> int:
        """The fee in billionths after so many bins were crossed."""
        base = self.base_factor * self.bin_step * 10
        volatility = min(self.volatility_reference + crossed * 10_000, self.max_volatility)
        variable = ceil_div(self.variable_fee_control * (volatility * self.bin_step) ** 2, 100_000_000_000)
        return min(base + variable, MAX_FEE)
