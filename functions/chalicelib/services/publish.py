"""Telling followers what happened; an order that nobody follows costs nothing here."""

from __future__ import annotations

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import History
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.orders import ClientOrders
from chalicelib.ports.queues import StatusEvents
from chalicelib.ports.runtime import Telemetry


def publish(
    history: History, *, store: ClientOrders, events: StatusEvents, telemetry: Telemetry, repeat: bool = False
) -> bool:
    """Queues the whole history for the followers, and tells whether it could; a failure never stops the trade.

    Where nobody follows the order there is nothing to do. An event that could not be queued travels with the next one,
    and where none comes soon, behind the last one and while the order rests, reconcile sends it again.
    """
    if not history.followed:
        return True
    order = history.order
    try:
        events.send(history, repeat=repeat)
        if order.status.is_terminal or order.status is OrderStatus.WAITING:
            store.mark_published(order)
    except Unavailable as error:
        telemetry.warn("publish_failed", order_id=order.id, sequence=order.sequence, reason=str(error))
        telemetry.add_metric("PublishFailures")
        return False
    return True
