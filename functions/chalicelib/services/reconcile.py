"""Repairing what a crash or an outage left behind; safe to run at any time, and several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import takewhile

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import History
from chalicelib.services.ports import OrdersQueue, OrderStore, StatusEvents, Telemetry
from chalicelib.services.publish import publish

BATCH = 100
MAX_BATCHES = 20


def reconcile(*, store: OrderStore, queue: OrdersQueue, events: StatusEvents, telemetry: Telemetry) -> int:
    """Enqueues orders that nobody works on, publishes ends that followers were never told of; gives how many.

    Raises:
        Unavailable: the database cannot be reached.
    """

    def enqueue(history: History) -> bool:
        try:
            queue.send(history.order.id)
        except Unavailable as error:
            telemetry.warn("enqueue_failed", order_id=history.order.id, reason=str(error))
            return False
        return True

    def tell(history: History) -> bool:
        return publish(history, store=store, events=events, telemetry=telemetry, repeat=True)

    repairs = 0
    for _ in range(MAX_BATCHES):
        stuck = store.stuck(BATCH)
        ended = [history for history in stuck if history.order.status.is_terminal]
        idle = [history for history in stuck if not history.order.status.is_terminal]
        done = _repair(idle, "enqueued", enqueue, telemetry) + _repair(ended, "published", tell, telemetry)
        repairs += done
        if done < BATCH:
            break
    store.forget_old_keys()
    return repairs


def _repair(stuck: Iterable[History], repair: str, attempt: Callable[[History], bool], telemetry: Telemetry) -> int:
    """How many were repaired. After the first failure the rest waits for the next run: each would only time out."""
    repaired = list(takewhile(attempt, stuck))
    for history in repaired:
        telemetry.log("order_repaired", order_id=history.order.id, repair=repair, status=history.order.status)
        telemetry.count("ReconcileRepairs", repair=repair)
    return len(repaired)
