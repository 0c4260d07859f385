"""Building swaps and following them on the simulated chain."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.config import Fault
from chalicelib.domain.errors import ErrorCode, OutcomeUnknown, Retryable
from chalicelib.domain.order import Failure, Fill, Order, SignedTransaction
from chalicelib.domain.quotes import Route, Side
from chalicelib.services.ports import ChainAnswer, Landing
from chalicelib.venues.ledger import Entry, Found, Ledger, Outcome
from chalicelib.venues.simulation import Simulation

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# The pool moves a little between the quote and the block: 0 to 20 bps against the trader, or past any slippage.
USUAL_MOVE_BPS = 20
SLOW_FACTOR = 8


@dataclass(frozen=True, slots=True)
class SimulatedExchange:
    """`Exchange` for both venues: a transaction is known by its signature and lands once or never."""

    simulation: Simulation
    ledger: Ledger

    def sign_swap(self, order: Order, route: Route) -> SignedTransaction:
        """About 1 s. The signature depends on the order and its attempt, so that building twice signs one swap."""
        self.simulation.wait(0.8, 1.2, "build", order.id, order.attempt)
        lifetime = timedelta(seconds=self.simulation.settings.transaction_lifetime)
        return SignedTransaction(signature_of(order, route), expires_at=self.simulation.now() + lifetime)

    def submit(self, order: Order, route: Route, transaction: SignedTransaction) -> None:
        """About 1.5 s until the venue's program has run; then the block is confirmed in about 1 s."""
        seed = (order.id, order.attempt)
        self.simulation.wait(1.2, 1.8, "settle", *seed)
        fill = self._fill(order, route)
        refusal = _past_the_limit(order, route, fill)
        slow = SLOW_FACTOR if self.simulation.strikes(Fault.SLOW, *seed) else 1
        outcome = Outcome.REVERTS if refusal else Outcome.SETTLES
        if self.simulation.strikes(Fault.DROPPED, *seed):
            outcome = Outcome.DROPPED
        taken = self.ledger.submit(
            Entry(
                signature=transaction.signature,
                order_id=order.id,
                attempt=order.attempt,
                venue=route.chosen.venue,
                outcome=outcome,
                dropped_once=self.simulation.strikes(Fault.DROPPED_ONCE, *seed),
                reason=refusal,
                fill=fill,
                lands_in=self.simulation.delay(0.8, 1.2, "confirm", *seed) * slow,
                expires_at=transaction.expires_at,
            )
        )
        if not taken:
            raise Retryable(ErrorCode.TRANSACTION_EXPIRED, "The chain refused the transaction: it has expired.")
        if self.simulation.strikes(Fault.SUBMIT_TIMEOUT, *seed):
            raise OutcomeUnknown(ErrorCode.SUBMIT_TIMEOUT, "The chain took too long to answer.")

    def fate(self, transaction: SignedTransaction) -> ChainAnswer:
        """What the ledger says; final from the transaction's expiry on."""
        found = self.ledger.find(transaction.signature, transaction.expires_at)
        if found is None or found.outcome is Outcome.DROPPED:
            return ChainAnswer(Landing.UNKNOWN)
        if found.outcome is Outcome.EXPIRED:
            return ChainAnswer(Landing.EXPIRED)
        return _landed(found)

    def _fill(self, order: Order, route: Route) -> Fill:
        """What the swap would take and give by the time it runs."""
        generator = self.simulation.chance("move", order.id, order.attempt)
        moved = generator.randint(0, min(USUAL_MOVE_BPS, order.slippage_bps))
        if self.simulation.strikes(Fault.PRICE_MOVE, order.id, order.attempt):
            moved = order.slippage_bps + generator.randint(10, 100)
        chosen = route.chosen
        if order.side is Side.SELL:
            # Rounded down: never more than the pool owes.
            return Fill(chosen.amount_in, chosen.amount_out * max(10_000 - moved, 0) // 10_000, chosen.fee)
        dearer = -(-chosen.amount_in * (10_000 + moved) // 10_000)
        return Fill(min(dearer, _limit_unless_past(order, route, moved, dearer)), chosen.amount_out, chosen.fee)


def _limit_unless_past(order: Order, route: Route, moved: int, dearer: int) -> int:
    """Rounding up alone must not push a fill that is within the slippage past the limit."""
    return route.maximum_input if moved <= order.slippage_bps else dearer


def _past_the_limit(order: Order, route: Route, fill: Fill) -> str | None:
    if order.side is Side.SELL and fill.amount_out < route.minimum_output:
        return "The price moved past the slippage limit: less than minimumOutput would have come out."
    if order.side is Side.BUY and fill.amount_in > route.maximum_input:
        return "The price moved past the slippage limit: more than maximumInput would have gone in."
    return None


def _landed(found: Found) -> ChainAnswer:
    if not found.landed:
        return ChainAnswer(Landing.PROCESSING)
    if found.outcome is Outcome.REVERTS:
        reason = found.reason or "The transaction was reverted."
        return ChainAnswer(Landing.REVERTED, failure=Failure(ErrorCode.SLIPPAGE_EXCEEDED, reason, retryable=True))
    return ChainAnswer(Landing.CONFIRMED, fill=found.fill)


def signature_of(order: Order, route: Route) -> str:
    """64 bytes in base58, as Solana writes a signature."""
    content = f"{order.id}:{order.attempt}:{route.chosen.venue}:{route.chosen.amount_in}:{route.chosen.amount_out}"
    number = int.from_bytes(hashlib.sha512(content.encode()).digest())
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = BASE58[digit] + digits
    return digits
