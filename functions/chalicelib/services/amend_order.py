"""Changing an order while it rests: same id, another limit or another end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from chalicelib.domain.errors import (
    Fenced,
    InvalidField,
    InvalidOrder,
    NotAmendable,
    OrderChanged,
)
from chalicelib.domain.events import OrderAmended
from chalicelib.domain.order import History, Order, OrderType
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.market import Market
from chalicelib.ports.orders import ClientOrders, Transition
from chalicelib.ports.queues import StatusEvents
from chalicelib.ports.runtime import Clock, Telemetry
from chalicelib.services.limit_price import bound_of, check_limit, present_price
from chalicelib.services.publish import publish

# A resting order moves when it fires and when it is amended; whoever loses so many races in a row has not looked.
TRIES = 5


@dataclass(frozen=True, slots=True)
class Amendment:
    """What to change; what is None stays. `if_sequence` is where the order must stand."""

    limit_price: Decimal | None = None
    expires_at: datetime | None = None
    if_sequence: int | None = None


def amend_order(
    order_id: str,
    amendment: Amendment,
    *,
    store: ClientOrders,
    market: Market,
    events: StatusEvents,
    clock: Clock,
    telemetry: Telemetry,
) -> History:
    """The order after the change; as it was, with nothing written, where it is so already: a repeat is harmless.

    Raises:
        OrderNotFound: no order has this id.
        NotAmendable: it does not rest.
        OrderChanged: it is not at `if_sequence`.
        InvalidOrder: it has no limit, or the new one is far from the market.
        Unavailable: the database cannot be reached.
    """
    for _ in range(TRIES):
        history = store.get(order_id)
        order = history.order
        if order.status is not OrderStatus.WAITING or order.has_expired(clock.now()):
            raise NotAmendable(order.id, order.status)
        if amendment.if_sequence not in (None, order.sequence):
            raise OrderChanged(order.id, order.status, order.sequence)
        limit_price = amendment.limit_price if amendment.limit_price != order.limit_price else None
        expires_at = amendment.expires_at if amendment.expires_at != order.expires_at else None
        if limit_price is None and expires_at is None:
            return history
        amended = OrderAmended(limit_price, _new_bound(order, limit_price, market, clock), expires_at)
        try:
            after = store.advance(history, Transition(order, amended, lease=None, release=True))
        except Fenced:
            continue
        telemetry.log("order_amended", order_id=order.id)
        publish(after, store=store, events=events, telemetry=telemetry)
        return after
    raise NotAmendable(order_id, store.get(order_id).order.status)


def _new_bound(order: Order, limit_price: Decimal | None, market: Market, clock: Clock) -> Decimal | None:
    if limit_price is None:
        return None
    if order.limit_price is None:
        raise InvalidOrder(InvalidField("limitPrice", "is not a field of this order: it has no limit"))
    if order.order_type is not OrderType.LIMIT:
        return None
    present = replace(order, limit_price=limit_price, created_at=clock.now())
    check_limit(present, limit_price, present_price(present, market))
    return bound_of(present, market)
