"""Repairing what a crash or an outage left behind; safe to run at any time, and several at once."""

from __future__ import annotations

from chalicelib.domain.errors import Unavailable
from chalicelib.services.ports import OrdersQueue, OrderStore, StatusEvents, Telemetry
from chalicelib.services.publish import publish

BATCH = 100
MAX_BATCHES = 20


def reconcile(*, store: OrderStore, queue: OrdersQueue, events: StatusEvents, telemetry: Telemetry) -> int:
    """Enqueues orders that nobody works on, publishes ends that followers were never told of; gives how many.

    Raises:
        Unavailable: the database cannot be reached.
    """
    repairs = 0
    for _ in range(MAX_BATCHES):
        stuck = store.stuck(BATCH)
        for history in stuck:
            if history.order.status.is_terminal:
                publish(history, store=store, events=events, telemetry=telemetry, repeat=True)
                kind = "published"
            else:
                kind = _enqueue(history.order.id, queue, telemetry)
            telemetry.log("order_repaired", order_id=history.order.id, repair=kind, status=history.order.status)
            telemetry.count("ReconcileRepairs", repair=kind)
        repairs += len(stuck)
        if len(stuck) < BATCH:
            break
    store.forget_old_keys()
    return repairs


def _enqueue(order_id: str, queue: OrdersQueue, telemetry: Telemetry) -> str:
    try:
        queue.send(order_id)
    except Unavailable as error:
        telemetry.warn("enqueue_failed", order_id=order_id, reason=str(error))
        return "enqueue_failed"
    return "enqueued"
