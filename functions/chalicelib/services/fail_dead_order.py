"""The end of a message that was delivered too often: its order fails with the reason if workers break on it.

Deliveries alone prove nothing: throttled ones never reach a worker, and an order that waits for its chain takes one
each time its worker's time is up. What proves that an order is poison are claims in a row that came to nothing.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.errors import ErrorCode, Fenced
from chalicelib.domain.events import OrderFailed
from chalicelib.domain.order import Failure, History, Order
from chalicelib.ports.chain import TransactionStatus
from chalicelib.ports.orders import Claimed, Held, Lease, Transition
from chalicelib.services.execute_order import execute_order
from chalicelib.services.publish import publish
from chalicelib.services.worker import Ack, ExecutionTimings, RetryAfter, Worker

# Of these claims neither ended in a move or a release: two workers in a row died or met an error.
POISON_CLAIMS = 2


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that reached the dead-letter queue after so many deliveries."""

    order_id: str
    receive_count: int


def fail_dead_order(
    dead_letter: DeadLetter, *, worker: Worker, timings: ExecutionTimings, until: datetime
) -> Ack | RetryAfter:
    """Fails the order and tells its followers, or leaves it to reconcile, which enqueues it anew.

    An order is left that no worker broke on. A transaction that landed or still may never fails here: its order is
    executed on until the chain has decided.

    Raises:
        Unavailable: the database cannot be reached.
        OutcomeUnknown: the chain cannot be asked.
    """
    lease = Lease(str(uuid.uuid4()), timings.lease_seconds)
    claim = worker.store.claim(dead_letter.order_id, lease)
    if isinstance(claim, Held):
        return RetryAfter(claim.seconds)
    if not isinstance(claim, Claimed):
        worker.telemetry.log("dead_letter_ignored", order_id=dead_letter.order_id)
        return Ack()
    order = claim.history.order
    if claim.fruitless_claims < POISON_CLAIMS:
        worker.store.release(order, lease, 0)
        worker.telemetry.warn(
            "dead_letter_left", order_id=order.id, status=order.status, receives=dead_letter.receive_count
        )
        return Ack()
    if _may_land(order, worker):
        worker.store.release(order, lease, 0)
        return execute_order(order.id, worker=worker, timings=timings, until=until)
    failure = Failure(ErrorCode.PROCESSING_FAILED, _reason(claim.history, dead_letter), retryable=True)
    try:
        failed = worker.store.advance(claim.history, Transition(order, OrderFailed(failure), lease, release=True))
    except Fenced:
        # A worker took the order over, or it was cancelled: the message waits to see how that ends.
        return RetryAfter(timings.return_seconds)
    worker.telemetry.warn("dead_order_failed", order_id=order.id, reason=failure.message)
    worker.telemetry.add_metric("OrdersFailed", code=failure.code)
    publish(failed, store=worker.store, events=worker.events, telemetry=worker.telemetry)
    return Ack()


def _may_land(order: Order, worker: Worker) -> bool:
    if order.transaction is None:
        return False
    result = worker.chain.transaction_status(order.transaction)
    return not (result.status is TransactionStatus.REVERTED or result.rules_out(order.transaction))


def _reason(history: History, dead_letter: DeadLetter) -> str:
    last = _last_error(history)
    cause = f" The last error was: {last}" if last else ""
    return f"No worker could finish the order in {dead_letter.receive_count} deliveries of its message.{cause}"


def _last_error(history: History) -> str | None:
    """The error that stopped a worker, else why the last attempt was repeated: only the events keep that."""
    if history.order.failure is not None:
        return history.order.failure.message
    errors = [event.meta["error"] for event in history.events if "error" in event.meta]
    return str(errors[-1]["message"]) if errors and isinstance(errors[-1], dict) else None
