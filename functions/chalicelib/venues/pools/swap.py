"""What all pools share: a swap's outcome, the refusals, and integer division."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from chalicelib.domain.amounts import MAX_BASE_UNITS


class TooLarge(ValueError):
    """The pool does not hold enough, or an amount would not fit 64 bits."""


class TooSmall(ValueError):
    """Nothing would come out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSwap:
    """What the trader pays and receives, in base units, all fees settled.

    `fee` is the trade fee: part of `amount_in`, or of what came out before it where `fee_on_output`. `price_impact` is
    the share by which the unrounded price is worse than the pool's spot price, fees left out (Raydium AMM v4's
    definition): rounding to whole base units, which is all that happens to dust, is no impact.
    """

    amount_in: int
    amount_out: int
    fee: int
    fee_on_output: bool = False
    price_impact: Fraction

    @property
    def price_impact_pct(self) -> Decimal:
        """The impact in percent, to four decimals."""
        context = Context(prec=40, rounding=ROUND_HALF_EVEN)
        share = context.divide(Decimal(self.price_impact.numerator), Decimal(self.price_impact.denominator))
        return (share * 100).quantize(Decimal("0.0001"), context=context)


def ceil_div(numerator: int, denominator: int) -> int:
    """⌈numerator / denominator⌉ of non-negative integers."""
    return -(-numerator // denominator)


def checked_input(amount: int) -> int:
    """The amount that goes in.

    Raises:
        TooSmall: it is nothing.
        TooLarge: it is above u64.
    """
    if amount <= 0:
        raise TooSmall
    return checked(amount)


def checked(amount: int) -> int:
    """The amount. Raises TooLarge above u64, where a program fails."""
    if amount > MAX_BASE_UNITS:
        raise TooLarge
    return amount
