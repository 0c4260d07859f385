"""Repairing what a crash or an outage left behind; safe to run at any time, and several at once.

An open order that nobody has moved for a while either lost its message, or merely waits for its turn in a long queue.
Only the queue can republish: messages are lost where it holds fewer of them than there are open orders. That many are
enqueued again, the longest due first, however many they are. Beyond those a handful is enqueued in each run without
proof: the queue's number is approximate, and a message of an order that is over, or of none, hides that another is
missing. A queue that holds as many messages as there are orders grows by that handful and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import History
from chalicelib.ports.orders import OrderStore
from chalicelib.ports.queues import OrdersQueue, StatusEvents
from chalicelib.ports.runtime import Clock, Telemetry
from chalicelib.services.publish import publish

BATCH = 500
# Enqueued in one run though the queue seems to hold a message for each order.
WITHOUT_PROOF = 100
# Until an order is due again: the handful at the next run, many at once only when the queue's number has caught up.
AGAIN_SECONDS = 45
MANY_AGAIN_SECONDS = 300
# Of a run's time, what is kept for deleting old keys: else a long outage would be followed by a full table.
CLEANUP = timedelta(seconds=8)
THREADS = 8


def reconcile(
    *,
    store: OrderStore,
    queue: OrdersQueue,
    events: StatusEvents,
    telemetry: Telemetry,
    clock: Clock,
    until: datetime,
) -> int:
    """Enqueues orders that nobody works on, publishes ends and rests that were never told; returns how many.

    Ends a little after `until` at the latest; what is left then is done by the next run.

    Raises:
        Unavailable: the database cannot be reached.
    """

    def in_time() -> bool:
        return clock.now() < until - CLEANUP

    repairs = _enqueue_idle(store, queue, telemetry, in_time) + _publish_ends(store, events, telemetry, in_time)
    while store.delete_expired_idempotency_keys() and clock.now() < until:
        pass
    return repairs


def _enqueue_idle(store: OrderStore, queue: OrdersQueue, telemetry: Telemetry, in_time: Callable[[], bool]) -> int:
    open_orders = store.count_open()
    try:
        missing = open_orders - queue.depth()
    except Unavailable as error:
        telemetry.warn("enqueue_failed", reason=str(error))
        return 0
    allowed = max(missing, WITHOUT_PROOF)
    again_in = MANY_AGAIN_SECONDS if missing > WITHOUT_PROOF else AGAIN_SECONDS
    enqueued = 0
    while enqueued < allowed and in_time():
        limit = min(allowed - enqueued, BATCH)
        idle = store.idle(limit, again_in)
        try:
            queue.send_many(idle.order_ids)
        except Unavailable as error:
            telemetry.warn("enqueue_failed", reason=str(error), orders=len(idle.order_ids))
            break
        _note(idle.order_ids, "enqueued", telemetry)
        enqueued += len(idle.order_ids)
        if idle.looked_at < limit:
            break
    return enqueued


def _publish_ends(store: OrderStore, events: StatusEvents, telemetry: Telemetry, in_time: Callable[[], bool]) -> int:
    # After the first failure the rest waits for the next run: each would only wait for its time-out.
    down = Event()

    def republish(history: History) -> bool:
        if down.is_set() or not in_time():
            return False
        try:
            published = publish(history, store=store, events=events, telemetry=telemetry, repeat=True)
        except Exception as error:  # noqa: BLE001 - an order that nobody can show must not keep the others unpublished
            telemetry.exception("end_not_told", error, order_id=history.order.id)
            telemetry.add_metric("EndsNotTold")
            return False
        if not published:
            down.set()
        return published

    total = 0
    with ThreadPoolExecutor(THREADS, thread_name_prefix="end") as threads:
        while not down.is_set() and in_time() and (ended := store.unpublished(BATCH)):
            results = [republish(ended[0]), *threads.map(republish, ended[1:])]
            published = [history.order.id for history, result in zip(ended, results, strict=True) if result]
            _note(published, "published", telemetry)
            total += len(published)
    return total


def _note(order_ids: Sequence[str], repair: str, telemetry: Telemetry) -> None:
    for order_id in order_ids:
        telemetry.log("order_repaired", order_id=order_id, repair=repair)
    if order_ids:
        telemetry.add_metric("ReconcileRepairs", len(order_ids), repair=repair)
