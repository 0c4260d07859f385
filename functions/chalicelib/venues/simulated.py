"""The simulated Raydium and Meteora: real pool arithmetic over a made-up market."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Protocol

from chalicelib.config import Fault
from chalicelib.domain.amounts import MAX_BASE_UNITS
from chalicelib.domain.errors import ErrorCode, Rejected, Retryable
from chalicelib.domain.quotes import Quote, QuoteRequest, Side, Venue
from chalicelib.venues.pools import BinPool, ConstantProductPool, PoolAnswer, TooLarge, TooSmall
from chalicelib.venues.simulation import Simulation, depth, reference_price, skew

QUOTE_LIFETIME = timedelta(seconds=30)
RAYDIUM_FEE = 2_500
BIN_STEP = 10
BINS = 200
BASE_FACTOR = 20_000
# Longer than the router's patience: a venue that times out answers, but too late.
QUOTE_TIMEOUT_SECONDS = 2.0


class Pool(Protocol):
    """Answers in integer base units."""

    def sell(self, amount_in: int) -> PoolAnswer: ...

    def buy(self, amount_out: int) -> PoolAnswer: ...


@dataclass(frozen=True, slots=True)
class SimulatedVenue:
    """A venue's quotes. Raises `VenueError` where it gives none."""

    venue: Venue
    simulation: Simulation

    def quote(self, request: QuoteRequest) -> Quote:
        """About 200 ms; the same seed gives the same quote.

        Raises:
            Rejected: the pool is too small for the amount, or the amount for the pool.
            Retryable: an injected fault.
        """
        self._misbehave(request)
        self.simulation.wait(0.15, 0.25, self.venue, "quote", request.seed)
        pool = self._pool(request)
        try:
            answer = pool.sell(request.amount) if request.side is Side.SELL else pool.buy(request.amount)
        except TooLarge:
            raise self._too_large(request) from None
        except TooSmall:
            raise Rejected(
                ErrorCode.AMOUNT_TOO_SMALL, f"The amount is too small to get any {request.output_token}."
            ) from None
        if max(answer.amount_in, answer.amount_out) > MAX_BASE_UNITS:
            raise self._too_large(request)
        return Quote(
            venue=self.venue,
            amount_in=answer.amount_in,
            amount_out=answer.amount_out,
            fee=answer.fee,
            price_impact_pct=answer.price_impact_pct,
            expires_at=self.simulation.now() + QUOTE_LIFETIME,
        )

    def _too_large(self, request: QuoteRequest) -> Rejected:
        return Rejected(
            ErrorCode.INSUFFICIENT_LIQUIDITY,
            f"The {request.input_token}/{request.output_token} pool does not hold enough.",
        )

    def _misbehave(self, request: QuoteRequest) -> None:
        if self.simulation.strikes(Fault.QUOTE_ERROR, self.venue, request.seed):
            raise Retryable(ErrorCode.NO_QUOTE, "The venue answered with an error.")
        if self.simulation.strikes(Fault.QUOTE_TIMEOUT, self.venue, request.seed):
            self.simulation.sleep(QUOTE_TIMEOUT_SECONDS)
            raise Retryable(ErrorCode.QUOTE_TIMEOUT, "The venue did not answer in time.")

    def _pool(self, request: QuoteRequest) -> Pool:
        price = reference_price(request.input_token, request.output_token)
        difference = skew(self.simulation, request.seed) / 2
        if self.venue is Venue.RAYDIUM:
            reserve_in = depth(request.input_token)
            return ConstantProductPool(reserve_in, int(reserve_in * price * (1 + difference)), RAYDIUM_FEE)
        return BinPool(
            active_bin=nearest_bin(price * (1 - difference)),
            bin_step=BIN_STEP,
            bin_reserve=depth(request.output_token) // BINS,
            bins=BINS,
            base_factor=BASE_FACTOR,
            variable_fee_control=7_500,
            volatility_reference=0,
            max_volatility=150_000,
        )


def nearest_bin(price: Decimal) -> int:
    """The bin whose price `(1 + binStep / 10_000)^bin` comes nearest."""
    context = Context(prec=30)
    step = context.ln(1 + Decimal(BIN_STEP) / 10_000)
    return int(context.divide(context.ln(price), step).to_integral_value(ROUND_HALF_EVEN))
