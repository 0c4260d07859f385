"""Sending for the watcher, where an order begins to rest."""

from __future__ import annotations

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.orders import ClientOrders
from chalicelib.ports.queues import Ticks
from chalicelib.ports.runtime import Telemetry


def wake_watcher(order_id: str, *, store: ClientOrders, ticks: Ticks, telemetry: Telemetry) -> None:
    """Sends for the watcher where nobody watches; where that fails, the next minute's beat finds the order."""
    try:
        if store.wake_watcher():
            ticks.wake()
    except Unavailable as error:
        telemetry.warn("wake_failed", order_id=order_id, reason=str(error))
