"""Accepting an order: once this returns, the order is durable and will end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from chalicelib.domain.errors import InvalidField, InvalidOrder, TooManyRestingOrders, Unavailable
from chalicelib.domain.events import OrderPlaced
from chalicelib.domain.limits import (
    in_base_units,
)
from chalicelib.domain.order import (
    RESTS_FOR,
    NewOrder,
    Order,
    OrderType,
    TimeInForce,
    new_order_id,
    placed_at,
)
from chalicelib.domain.tokens import is_launched
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.market import Market
from chalicelib.ports.orders import ClientOrders, Idempotency
from chalicelib.ports.queues import OrdersQueue, StatusEvents, Ticks
from chalicelib.ports.runtime import CrashPoint, Telemetry
from chalicelib.services.fingerprint import fingerprint
from chalicelib.services.limit_price import bound_of, check_limit, present_price
from chalicelib.services.publish import publish
from chalicelib.services.views import timestamp
from chalicelib.services.wake_watcher import wake_watcher

MOST_RESTING = 1_000


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order that is durable; `replayed` where an earlier request with the same key had placed it.

    `market` is what a limit order's full size would be paid right now.
    """

    order: Order
    replayed: bool
    market: Fraction | None = None


@dataclass(frozen=True, slots=True)
class PlacingPorts:
    """What placing an order needs."""

    store: ClientOrders
    queue: OrdersQueue
    market: Market
    ticks: Ticks
    events: StatusEvents
    telemetry: Telemetry
    crash_point: CrashPoint
    # Names an order after the moment at which it is placed.
    new_id: Callable[[], str] = new_order_id


def place_order(new_order: NewOrder, *, idempotency_key: str | None, ports: PlacingPorts) -> PlacedOrder:
    """Stores the order with its first event, then hands it to the workers, or lets it rest.

    Raises:
        InvalidOrder: the market forbids it: the limit is far from it, or nothing could be bought.
        TooManyRestingOrders: the user has as many as one may.
        IdempotencyKeyReused: the key came with another order before.
        ClientOrderIdTaken: the user has an order with this client order id.
        Unavailable: the database cannot be reached, or broke while it wrote: only a request with the same key can tell.
    """
    order = _as_market_order(new_order, ports.new_id())
    idempotency = Idempotency(idempotency_key, fingerprint(new_order)) if idempotency_key is not None else None
    price = None
    if idempotency is not None and new_order.order_type is not OrderType.MARKET:
        # First: a repeat gets its order again, though the price has gone or the token was launched since.
        earlier = ports.store.find_repeated(order.user_id, idempotency)
        if earlier is not None:
            return PlacedOrder(earlier, replayed=True, market=_price_now_or_none(earlier, ports.market))
    if new_order.order_type is OrderType.LIMIT:
        order, price = _as_limit_order(order, ports.market)
    elif new_order.order_type is OrderType.SNIPER:
        order = _as_sniper_order(order, ports.market)
    if order.status is OrderStatus.WAITING and ports.store.count_resting(order.user_id, MOST_RESTING) >= MOST_RESTING:
        raise TooManyRestingOrders(MOST_RESTING)
    stored = ports.store.insert(order, idempotency, OrderPlaced(price))
    if isinstance(stored, Order):
        ports.telemetry.log("order_replayed", order_id=stored.id)
        return PlacedOrder(stored, replayed=True, market=price)
    ports.crash_point("after_placed")
    ports.telemetry.debug("order_accepted", order_id=order.id, user_id=order.user_id, status=order.status)
    ports.telemetry.add_metric("OrdersAccepted")
    if order.status is OrderStatus.WAITING:
        wake_watcher(order.id, store=ports.store, ticks=ports.ticks, telemetry=ports.telemetry)
    else:
        _enqueue(order.id, ports)
    if stored is not None:
        publish(stored, store=ports.store, events=ports.events, telemetry=ports.telemetry)
    return PlacedOrder(order, replayed=False, market=price)


def _enqueue(order_id: str, ports: PlacingPorts) -> None:
    try:
        ports.queue.send(order_id)
    except Unavailable as error:
        # The 202 stands: the order is committed, and reconcile enqueues it.
        ports.telemetry.warn("enqueue_failed", order_id=order_id, reason=str(error))
        ports.telemetry.add_metric("EnqueueFailures")


def _as_limit_order(order: Order, market: Market) -> tuple[Order, Fraction]:
    """The order as it begins, and what its full size would be paid now. Raises `InvalidOrder`."""
    limit_price = order.limit_price
    if limit_price is None:
        raise ValueError("A limit order has a limit price.")
    price = present_price(order, market)
    check_limit(order, limit_price, price)
    if (
        price >= in_base_units(limit_price, order.input_token, order.output_token)
        or order.time_in_force is TimeInForce.FOK
    ):
        return replace(order, fires=1, fired_at=order.created_at, bound=bound_of(order, market)), price
    return replace(order, status=OrderStatus.WAITING, bound=bound_of(order, market)), price


def _price_now_or_none(order: Order, market: Market) -> Fraction | None:
    try:
        return present_price(order, market) if order.order_type is OrderType.LIMIT else None
    except InvalidOrder:
        return None


def _as_sniper_order(order: Order, market: Market) -> Order:
    launch = market.launched(order.output_token, order.created_at)
    if launch is not None or not is_launched(order.output_token):
        when = f"at {timestamp(launch.confirmed_at)}" if launch is not None else "long ago"
        raise InvalidOrder(InvalidField("outputToken", f"was launched {when}: place a market or limit order"))
    return replace(order, status=OrderStatus.WAITING)


def _as_market_order(new_order: NewOrder, order_id: str) -> Order:
    moment = placed_at(order_id)
    return Order(
        id=order_id,
        user_id=new_order.user_id,
        wallet_address=new_order.wallet_address,
        input_token=new_order.input_token,
        output_token=new_order.output_token,
        side=new_order.side,
        amount=new_order.amount,
        slippage_bps=new_order.slippage_bps,
        client_order_id=new_order.client_order_id,
        max_price_impact_bps=new_order.max_price_impact_bps,
        status=OrderStatus.PENDING,
        attempt=1,
        sequence=1,
        created_at=moment,
        updated_at=moment,
        order_type=new_order.order_type,
        limit_price=new_order.limit_price,
        time_in_force=new_order.time_in_force,
        expires_at=_expiry(new_order, moment),
        launch=new_order.launch,
    )


def _expiry(new_order: NewOrder, moment: datetime) -> datetime | None:
    if new_order.order_type is OrderType.MARKET or new_order.time_in_force is TimeInForce.FOK:
        return None
    return new_order.expires_at or moment + RESTS_FOR
