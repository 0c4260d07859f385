"""Cancelling an order while that is still safe: before its transaction is signed."""

from __future__ import annotations

from chalicelib.domain.errors import Fenced, IllegalTransition, NotCancellable
from chalicelib.domain.events import OrderCancelled
from chalicelib.domain.order import History
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.orders import ClientOrders, Transition
from chalicelib.ports.queues import StatusEvents
from chalicelib.ports.runtime import Telemetry
from chalicelib.services.publish import publish

# A worker moves an order a handful of times; a cancel that loses this many races in a row never had a chance.
TRIES = 5


def cancel_order(order_id: str, *, store: ClientOrders, events: StatusEvents, telemetry: Telemetry) -> History:
    """Cancels the order; the worker that has it stops at its next write. One that is cancelled already stays as it is.

    Raises:
        OrderNotFound: no order has this id.
        NotCancellable: its transaction may be on its way, or it has ended otherwise.
        Unavailable: the database cannot be reached.
    """
    lost = False
    for _ in range(TRIES):
        history = store.get(order_id)
        order = history.order
        if order.status is OrderStatus.CANCELLED:
            if lost:
                # Somebody else's cancel came first, or our own, whose answer was lost: then only we can tell of it.
                publish(history, store=store, events=events, telemetry=telemetry)
            return history
        if order.transaction is not None:
            raise NotCancellable(order.id, order.status)
        try:
            cancelled = store.advance(history, Transition(order, OrderCancelled(), lease=None, release=True))
        except IllegalTransition:
            raise NotCancellable(order.id, order.status) from None
        except Fenced:
            lost = True
            continue
        telemetry.log("order_cancelled", order_id=order.id)
        telemetry.add_metric("OrdersCancelled")
        publish(cancelled, store=store, events=events, telemetry=telemetry)
        return cancelled
    raise NotCancellable(order_id, store.get(order_id).order.status)
