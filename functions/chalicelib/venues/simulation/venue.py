"""What every simulated venue does with its pool: it quotes, builds swaps, and has faults injected."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from chalicelib.chain.transactions import SimulatedSwap, sign
from chalicelib.config import Fault
from chalicelib.domain.errors import ErrorCode, Rejected, Retryable
from chalicelib.domain.order import Fill, Order, SignedTransaction
from chalicelib.domain.quotes import Quote, QuoteRequest, Route, Side, Venue
from chalicelib.venues.pools.swap import PoolSwap, TooLarge, TooSmall
from chalicelib.venues.simulation.chance import Simulation

QUOTE_LIFETIME = timedelta(seconds=30)
# Longer than the router's patience: a venue that times out answers, but too late.
QUOTE_TIMEOUT_SECONDS = 2.0
# How far the price moves between the quote and the block, either way.
USUAL_MOVE_BPS = 20


@dataclass(frozen=True, slots=True)
class SimulatedVenue(ABC):
    """A `VenueConnector` over the made-up market; a venue says what its pool does with a request."""

    simulation: Simulation
    name: ClassVar[Venue]

    @abstractmethod
    def swap(self, request: QuoteRequest, *, worse_bps: int = 0) -> PoolSwap:
        """What the venue's program does with the request where its price is so much worse for the trader.

        Raises:
            TooLarge: the pool does not hold enough.
            TooSmall: nothing would come out.
        """

    def quote(self, request: QuoteRequest) -> Quote:
        """About 200 ms; a repeated question gets the same answer.

        Raises:
            Rejected: the pool is too small for the amount, or the amount for the pool.
            Retryable: an injected fault.
        """
        self._inject_faults(request)
        self.simulation.wait(0.15, 0.25, self.name, "quote", request.reference)
        try:
            swap = self.swap(request)
        except TooLarge:
            pair = f"{request.input_token}/{request.output_token}"
            raise Rejected(ErrorCode.INSUFFICIENT_LIQUIDITY, f"The {pair} pool does not hold enough.") from None
        except TooSmall:
            sentence = f"The amount is too small to get any {request.output_token}."
            raise Rejected(ErrorCode.AMOUNT_TOO_SMALL, sentence) from None
        return Quote(
            venue=self.name,
            amount_in=swap.amount_in,
            amount_out=swap.amount_out,
            fee=swap.fee,
            price_impact_pct=swap.price_impact_pct,
            expires_at=self.simulation.now() + QUOTE_LIFETIME,
        )

    def build(self, order: Order, route: Route, height: int) -> SignedTransaction:
        """About 1 s. The simulated program's work is done here: the bytes say what the chain will exchange."""
        self.simulation.wait(0.8, 1.2, "build", order.id, order.attempt)
        fill, refusal = self._execution(order, route)
        return sign(
            SimulatedSwap(
                order_id=order.id,
                attempt=order.attempt,
                venue=self.name,
                fill=fill,
                refusal=refusal,
                last_valid_height=height + self.simulation.settings.transaction_lifetime_blocks,
            )
        )

    def _inject_faults(self, request: QuoteRequest) -> None:
        if self.simulation.strikes(Fault.QUOTE_ERROR, self.name, request.reference):
            raise Retryable(ErrorCode.NO_QUOTE, "The venue answered with an error.")
        if self.simulation.strikes(Fault.QUOTE_TIMEOUT, self.name, request.reference):
            self.simulation.sleep(QUOTE_TIMEOUT_SECONDS)
            raise Retryable(ErrorCode.QUOTE_TIMEOUT, "The venue did not answer in time.")

    def _execution(self, order: Order, route: Route) -> tuple[Fill, str | None]:
        """What the program exchanges by the time it runs, and why it refuses where it does."""
        chance = self.simulation.chance("move", order.id, order.attempt)
        worse_bps = chance.randint(-USUAL_MOVE_BPS, min(USUAL_MOVE_BPS, order.slippage_bps))
        if self.simulation.strikes(Fault.PRICE_MOVE, order.id, order.attempt):
            return self._run(order, route, order.slippage_bps + chance.randint(10, 100))
        fill, refusal = self._run(order, route, worse_bps)
        # Of dust, rounding alone takes any move past the limit: then the price has not moved.
        return self._run(order, route, 0) if refusal else (fill, None)

    def _run(self, order: Order, route: Route, worse_bps: int) -> tuple[Fill, str | None]:
        quoted = Fill(route.chosen.amount_in, route.chosen.amount_out, route.chosen.fee)
        try:
            swap = self.swap(order.quote_request(), worse_bps=worse_bps)
        except (TooLarge, TooSmall):
            return quoted, "The pool no longer holds enough."
        fill = Fill(swap.amount_in, swap.amount_out, swap.fee)
        if order.side is Side.SELL and fill.amount_out < route.minimum_output:
            return fill, "The price moved past the slippage limit: less than minimumOutput would have come out."
        if order.side is Side.BUY and fill.amount_in > route.maximum_input:
            return fill, "The price moved past the slippage limit: more than maximumInput would have gone in."
        return fill, None
