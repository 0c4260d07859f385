"""What every simulated venue does with its pool: it quotes, builds swaps, and has faults injected."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar

from chalicelib.chain.transactions import SimulatedSwap, sign
from chalicelib.config import Fault
from chalicelib.domain.amounts import BPS
from chalicelib.domain.errors import ErrorCode, Rejected, Retryable
from chalicelib.domain.order import Fill, Order, SignedTransaction
from chalicelib.domain.quotes import Quote, QuoteRequest, Route, Side, Venue
from chalicelib.domain.tokens import Token, is_launched
from chalicelib.simulation.chance import Simulation
from chalicelib.simulation.launches import PlannedLaunch
from chalicelib.simulation.prices import POOL_DEPTH_USD, Prices, depth
from chalicelib.venues.pools.swap import PoolSwap, TooLarge, TooSmall

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
    # Whether it pays more (1) or less (-1) than the middle where the skew is positive, and the share it keeps.
    lean: ClassVar[int]
    fee: ClassVar[Fraction]

    @abstractmethod
    def trade(self, request: QuoteRequest, price: Fraction, at: int) -> PoolSwap:
        """What the venue's program does with the request where its pool's price is `price`, output per input.

        Raises:
            TooLarge: the pool does not hold enough.
            TooSmall: nothing would come out.
        """

    def spot(self, price: Fraction, input_token: Token, output_token: Token) -> Fraction:  # noqa: ARG002 - for others
        """The price that the pool can really have, next to this one."""
        return price

    def price(self, input_token: Token, output_token: Token, at: int) -> Fraction:
        """The venue's price at a second, output per input in base units, before fees."""
        return _price(self.simulation.prices, self.lean, input_token, output_token, at)

    def touch(self, input_token: Token, output_token: Token, at: int) -> Fraction:
        """What an infinitely small amount is paid at a second, after fees. Raises `Retryable`: there is no pool yet."""
        self._check_open(input_token, output_token, at)
        price = self.price(input_token, output_token, at)
        return self.spot(price, input_token, output_token) * (1 - self.fee)

    def swap(self, request: QuoteRequest, at: int, *, worse_bps: int = 0) -> PoolSwap:
        """As `trade`, at the price of a second and so much worse for the trader."""
        price = self.price(request.input_token, request.output_token, at)
        return self.trade(request, price * Fraction(BPS - worse_bps, BPS), at)

    def reserve(self, request: QuoteRequest, token: Token, at: int) -> int:
        """Base units of the token in the pool of the request's pair; one that was launched holds what came with it."""
        launch = self._launch(request.input_token, request.output_token)
        dollars = POOL_DEPTH_USD if launch is None else Decimal(launch.liquidity_at(at)) / 2
        return depth(self.simulation.prices.seed, token, dollars)

    def quote(self, request: QuoteRequest) -> Quote:
        """About 200 ms; within a second a repeated question gets the same answer.

        Raises:
            Rejected: the pool is too small for the amount, or the amount for the pool.
            Retryable: an injected fault, or the pool is not open yet.
        """
        asked = self.simulation.second()
        self._inject_faults(request)
        self.simulation.wait(0.15, 0.25, self.name, "quote", request.reference)
        return self.preview(request, asked)

    def preview(self, request: QuoteRequest, at: int) -> Quote:
        """The quote of a second, at once and without faults. Raises as `quote`."""
        self._check_open(request.input_token, request.output_token, at)
        try:
            swap = self.swap(request, at)
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
            expires_at=datetime.fromtimestamp(at, UTC) + QUOTE_LIFETIME,
        )

    def build(self, order: Order, route: Route, height: int) -> SignedTransaction:
        """About 1 s. The simulated program's work is done here: the bytes say what the chain will exchange."""
        self.simulation.wait(0.8, 1.2, "build", order.attempt_reference)
        fill, refusal = self._execution(order, route)
        return sign(
            SimulatedSwap(
                order_id=order.id,
                attempt=order.attempt,
                fires=order.fires,
                venue=self.name,
                fill=fill,
                refusal=refusal,
                last_valid_height=height + self.simulation.settings.transaction_lifetime_blocks,
            )
        )

    def _launch(self, *pair: Token) -> PlannedLaunch | None:
        return next((found for token in pair if (found := self.simulation.launches.of(token)) is not None), None)

    def _check_open(self, input_token: Token, output_token: Token, at: int) -> None:
        launch = self._launch(input_token, output_token)
        if launch is None:
            if is_launched(input_token) or is_launched(output_token):
                raise Retryable(ErrorCode.NO_POOL, f"{self.name} has no {input_token}/{output_token} pool.")
            return
        if launch.forked or launch.venue != self.name or at < launch.opens_at:
            raise Retryable(ErrorCode.NO_POOL, f"{self.name} has no open {input_token}/{output_token} pool.")

    def _inject_faults(self, request: QuoteRequest) -> None:
        if self.simulation.injects(Fault.QUOTE_ERROR, self.name, request.reference):
            raise Retryable(ErrorCode.NO_QUOTE, "The venue answered with an error.")
        if self.simulation.injects(Fault.QUOTE_TIMEOUT, self.name, request.reference):
            self.simulation.sleep(QUOTE_TIMEOUT_SECONDS)
            raise Retryable(ErrorCode.QUOTE_TIMEOUT, "The venue did not answer in time.")

    def _execution(self, order: Order, route: Route) -> tuple[Fill, str | None]:
        """What the program exchanges by the time it runs, and why it refuses where it does."""
        chance = self.simulation.chance("move", order.attempt_reference)
        room_bps = self._room_bps(order, route)
        worse_bps = chance.randint(-USUAL_MOVE_BPS, min(USUAL_MOVE_BPS, room_bps))
        if self.simulation.injects(Fault.PRICE_MOVE, order.attempt_reference):
            return self._run(order, route, room_bps + chance.randint(10, 100))
        fill, refusal = self._run(order, route, worse_bps)
        # Of dust, rounding alone takes any move past the limit: then the price has not moved.
        return self._run(order, route, 0) if refusal else (fill, None)

    def _room_bps(self, order: Order, route: Route) -> int:
        """How far the price may move before the route's limits refuse: the slippage, or what lies before a limit."""
        if order.limit_price is None:
            return order.slippage_bps
        if order.side is Side.SELL:
            return BPS - -(-route.minimum_output * BPS // route.chosen.amount_out)
        return BPS - -(-route.chosen.amount_in * BPS // route.maximum_input)

    def _run(self, order: Order, route: Route, worse_bps: int) -> tuple[Fill, str | None]:
        quoted = Fill(route.chosen.amount_in, route.chosen.amount_out, route.chosen.fee)
        asked = int((route.chosen.expires_at - QUOTE_LIFETIME).timestamp())
        try:
            swap = self.swap(order.quote_request(), asked, worse_bps=worse_bps)
        except (TooLarge, TooSmall):
            return quoted, "The pool no longer holds enough."
        fill = Fill(swap.amount_in, swap.amount_out, swap.fee)
        limit = "the slippage limit" if order.limit_price is None else "limitPrice"
        if order.side is Side.SELL and fill.amount_out < route.minimum_output:
            return fill, f"The price moved past {limit}: less than minimumOutput would have come out."
        if order.side is Side.BUY and fill.amount_in > route.maximum_input:
            return fill, f"The price moved past {limit}: more than maximumInput would have gone in."
        return fill, None


# A beat asks for a pair's price of one second once an order.
@lru_cache(maxsize=4096)
def _price(prices: Prices, lean: int, input_token: Token, output_token: Token, at: int) -> Fraction:
    skew = prices.skew(input_token, output_token, at)
    return prices.middle(input_token, output_token, at) * (1 + lean * skew / 2)
