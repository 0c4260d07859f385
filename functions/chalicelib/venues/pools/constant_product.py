"""Raydium CPMM (raydium-cp-swap, `curve/calculator.rs` and `curve/fees.rs` of December 2025).

Out for in: `fee = ⌈in · rate / 10⁶⌉`, `out = ⌊y · (in − fee) / (x + in − fee)⌋`. In for out:
`net = ⌈x · out / (y − out)⌉`, `in = ⌈net · 10⁶ / (10⁶ − rate)⌉`, `fee = in − net`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from chalicelib.venues.pools.swap import PoolSwap, TooLarge, TooSmall, ceil_div, checked, checked_input

# Rates are millionths (FEE_RATE_DENOMINATOR_VALUE).
RATE_ONE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantProductSwap(PoolSwap):
    """`protocol_fee` and `fund_fee` are parts of `fee`; the creator's fee comes on top of it."""

    protocol_fee: int
    fund_fee: int
    creator_fee: int = 0
    creator_fee_on_output: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantProductPool:
    """`reserve_in · reserve_out` never falls. Rates are millionths: the trade fee's and the creator's of the amount,
    the protocol's and the fund's of the trade fee."""

    reserve_in: int
    reserve_out: int
    trade_fee_rate: int
    creator_fee_rate: int = 0
    creator_fee_on_output: bool = False
    protocol_fee_rate: int = 120_000
    fund_fee_rate: int = 40_000

    def swap_exact_in(self, amount_in: int) -> ConstantProductSwap:
        """`swap_base_input`: what comes out for exactly so much. Raises TooSmall, TooLarge."""
        checked_input(amount_in)
        fees = ceil_div(amount_in * self._input_fee_rate, RATE_ONE)
        net = amount_in - fees
        swapped_out = self.reserve_out * net // (self.reserve_in + net)
        creator_out = ceil_div(swapped_out * self._creator_rate_on_output, RATE_ONE)
        if swapped_out - creator_out <= 0:
            raise TooSmall
        return self._swap(
            amount_in=amount_in,
            amount_out=swapped_out - creator_out,
            input_fees=fees,
            creator_out=creator_out,
            # 1 − (out / net) / (y / x) of the unrounded out.
            price_impact=Fraction(net, self.reserve_in + net),
        )

    def swap_exact_out(self, amount_out: int) -> ConstantProductSwap:
        """`swap_base_output`: what must go in for exactly so much. Raises TooSmall, TooLarge."""
        checked_input(amount_out)
        swapped_out = _before_fee(amount_out, self._creator_rate_on_output)
        if swapped_out >= self.reserve_out:
            raise TooLarge
        net = ceil_div(self.reserve_in * swapped_out, self.reserve_out - swapped_out)
        amount_in = checked(_before_fee(net, self._input_fee_rate))
        return self._swap(
            amount_in=amount_in,
            amount_out=amount_out,
            input_fees=amount_in - net,
            creator_out=swapped_out - amount_out,
            # 1 − (out / net) / (y / x) of the unrounded net.
            price_impact=Fraction(swapped_out, self.reserve_out),
        )

    @property
    def _input_fee_rate(self) -> int:
        """Both fees that the input bears, taken as one."""
        return self.trade_fee_rate + (0 if self.creator_fee_on_output else self.creator_fee_rate)

    @property
    def _creator_rate_on_output(self) -> int:
        return self.creator_fee_rate if self.creator_fee_on_output else 0

    def _swap(
        self, *, amount_in: int, amount_out: int, input_fees: int, creator_out: int, price_impact: Fraction
    ) -> ConstantProductSwap:
        creator_in = 0
        if self.creator_fee_rate and not self.creator_fee_on_output:
            creator_in = input_fees * self.creator_fee_rate // self._input_fee_rate
        fee = input_fees - creator_in
        return ConstantProductSwap(
            amount_in=amount_in,
            amount_out=amount_out,
            fee=fee,
            price_impact=price_impact,
            protocol_fee=fee * self.protocol_fee_rate // RATE_ONE,
            fund_fee=fee * self.fund_fee_rate // RATE_ONE,
            creator_fee=creator_out if self.creator_fee_on_output else creator_in,
            creator_fee_on_output=self.creator_fee_on_output,
        )


def _before_fee(net: int, rate: int) -> int:
    """`calculate_pre_fee_amount`: the least that leaves `net` once the fee is taken."""
    return ceil_div(net * RATE_ONE, RATE_ONE - rate)
