"""Sending resting orders to the workers: what firing by price and by launch have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.events import Move, PriceReached, TokenLaunched
from chalicelib.domain.limits import full_price
from chalicelib.domain.order import Order
from chalicelib.domain.quotes import Quote
from chalicelib.ports.market import Market
from chalicelib.ports.orders import OrderStore
from chalicelib.ports.queues import OrdersQueue, StatusEvents, Ticks
from chalicelib.ports.resting import RestingOrders
from chalicelib.ports.runtime import Clock, CrashPoint, Telemetry
from chalicelib.services.publish import publish

# Orders that fired and have no worker yet, at most: a crash through many limits never stands before other orders.
MOST_FIRED = 200
LOOK_AGAIN_SECONDS = 2


@dataclass(frozen=True, slots=True)
class WatcherPorts:
    """What the watcher needs; `interval` is that of its beats, in seconds."""

    resting: RestingOrders
    store: OrderStore
    queue: OrdersQueue
    events: StatusEvents
    market: Market
    ticks: Ticks
    clock: Clock
    telemetry: Telemetry
    crash_point: CrashPoint
    interval: int = 1


def publish_moved(order_ids: Sequence[str], ports: WatcherPorts) -> None:
    """Tells the followers; what cannot be told now reconcile tells."""
    if not order_ids:
        return
    for history in ports.resting.followed(order_ids):
        if not publish(history, store=ports.store, events=ports.events, telemetry=ports.telemetry):
            return


def executable_price(order: Order, now: datetime, market: Market) -> Fraction | None:
    """What the order's full size is paid now; None where its limit is not met or the price impact is too high."""
    guard = order.guard
    quotes = [answer for answer in market.preview(order.quote_request(), now) if isinstance(answer, Quote)]
    good = [
        full_price(quote)
        for quote in quotes
        if (guard is None or guard.admits(quote)) and quote.price_impact_pct * 100 <= order.max_price_impact_bps
    ]
    return max(good, default=None)


def fire(moves: Sequence[tuple[Order, Move]], kind: str, ports: WatcherPorts) -> int:
    """Moves the orders to `pending` and enqueues them; returns how many moved. What is not enqueued reconcile sends."""
    fired = ports.resting.move(moves, MOST_FIRED)
    if not fired:
        return 0
    ports.crash_point("after_fire_commit")
    latencies = {order.id: event for order, event in moves}
    for order_id in fired:
        event = latencies[order_id]
        if isinstance(event, PriceReached | TokenLaunched):
            ports.telemetry.add_metric("TriggerLatencyMs", event.latency_ms)
    ports.telemetry.add_metric("TriggersFired", len(fired), kind=kind)
    try:
        ports.queue.send_many(fired)
    except Unavailable as error:
        ports.telemetry.warn("enqueue_failed", reason=str(error), orders=len(fired))
        ports.telemetry.add_metric("EnqueueFailures")
    ports.crash_point("after_fire_send")
    return len(fired)


def milliseconds(duration: timedelta) -> int:
    """Whole milliseconds, from 0 on: two machines' clocks may differ."""
    return max(duration // timedelta(milliseconds=1), 0)
