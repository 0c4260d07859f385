"""The simulated chain: it takes signed bytes, loses or delays some where faults are injected, and tells what landed."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.chain.ledger import Entry, Found, Ledger, Outcome
from chalicelib.chain.transactions import read
from chalicelib.config import Fault
from chalicelib.domain.errors import ErrorCode, OutcomeUnknown, Retryable
from chalicelib.domain.order import Failure, SignedTransaction
from chalicelib.ports.chain import TransactionResult, TransactionStatus
from chalicelib.simulation.chance import Simulation

SLOW_FACTOR = 8
CONFIRMED_WITHIN = (0.8, 1.2)


@dataclass(frozen=True, slots=True)
class SimulatedChain:
    """`ChainClient`: a transaction is known by its signature and lands once or never."""

    simulation: Simulation
    ledger: Ledger

    @property
    def soonest_confirmation(self) -> float:
        return CONFIRMED_WITHIN[0] * self.simulation.settings.delay_scale

    def height(self) -> int:
        return self.ledger.height()

    def send(self, transaction: SignedTransaction) -> None:
        """About 1.5 s until the venue's program has run; then the block is confirmed in about 1 s."""
        swap = read(transaction.raw)
        seed = (swap.attempt_reference,)
        self.simulation.wait(1.2, 1.8, "settle", *seed)
        slow = SLOW_FACTOR if self.simulation.injects(Fault.SLOW, *seed) else 1
        outcome = Outcome.REVERTS if swap.refusal else Outcome.SETTLES
        if self.simulation.injects(Fault.DROPPED, *seed):
            outcome = Outcome.DROPPED
        taken = self.ledger.submit(
            Entry(
                signature=transaction.signature,
                order_id=swap.order_id,
                attempt=swap.attempt,
                venue=swap.venue,
                outcome=outcome,
                dropped_once=self.simulation.injects(Fault.DROPPED_ONCE, *seed),
                reason=swap.refusal,
                fill=swap.fill,
                lands_in=self.simulation.delay(*CONFIRMED_WITHIN, "confirm", *seed) * slow,
                last_valid_height=swap.last_valid_height,
            )
        )
        if not taken:
            raise Retryable(ErrorCode.TRANSACTION_EXPIRED, "The chain refused the transaction: it has expired.")
        if self.simulation.injects(Fault.SUBMIT_TIMEOUT, *seed):
            raise OutcomeUnknown(ErrorCode.SUBMIT_TIMEOUT, "The chain took too long to answer.")

    def transaction_status(self, transaction: SignedTransaction) -> TransactionResult:
        found = self.ledger.find(transaction.signature, transaction.last_valid_height)
        return _result(found)


def _result(found: Found) -> TransactionResult:
    if found.outcome in (None, Outcome.DROPPED, Outcome.EXPIRED):
        return TransactionResult(TransactionStatus.UNKNOWN, found.height)
    if not found.landed:
        return TransactionResult(TransactionStatus.PROCESSING, found.height)
    if found.outcome is Outcome.REVERTS:
        reason = found.reason or "The transaction was reverted."
        failure = Failure(ErrorCode.SLIPPAGE_EXCEEDED, reason, retryable=True)
        return TransactionResult(TransactionStatus.REVERTED, found.height, failure=failure)
    return TransactionResult(TransactionStatus.CONFIRMED, found.height, fill=found.fill)
