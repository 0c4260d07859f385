"""Accepting an order: once this returns, the order is durable and will end."""

from __future__ import annotations

import hashlib
import json

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import NewOrder, Order, new_order_id, placed_at
from chalicelib.domain.quotes import DEFAULT_MAX_PRICE_IMPACT_BPS
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.ports import ClientOrders, Idempotency, OrdersQueue, PlacedOrder, Telemetry


def place_order(
    new_order: NewOrder,
    *,
    idempotency_key: str | None,
    store: ClientOrders,
    queue: OrdersQueue,
    telemetry: Telemetry,
) -> PlacedOrder:
    """Stores the order with its first event, then hands it to the workers.

    Raises:
        IdempotencyKeyReused: the key came with another order before.
        ClientOrderIdTaken: the user has an order with this client order id.
        Unavailable: the database cannot be reached, or broke while it wrote: only a request with the same key can tell.
    """
    order = _pending(new_order)
    idempotency = Idempotency(idempotency_key, fingerprint(new_order)) if idempotency_key is not None else None
    earlier = store.insert(order, idempotency)
    if earlier is not None:
        telemetry.log("order_replayed", order_id=earlier.id)
        return PlacedOrder(earlier, replayed=True)
    telemetry.debug("order_accepted", order_id=order.id, user_id=order.user_id)
    telemetry.add_metric("OrdersAccepted")
    try:
        queue.send(order.id)
    except Unavailable as error:
        # The 202 stands: the order is committed, and reconcile enqueues it.
        telemetry.warn("enqueue_failed", order_id=order.id, reason=str(error))
        telemetry.add_metric("EnqueueFailures")
    return PlacedOrder(order, replayed=False)


def fingerprint(new_order: NewOrder) -> str:
    """Tells whether two requests ask for the same order, however they were written."""
    fields = [
        new_order.user_id,
        new_order.wallet_address,
        new_order.input_token.symbol,
        new_order.output_token.symbol,
        new_order.side,
        str(new_order.amount),
        str(new_order.slippage_bps),
        new_order.client_order_id,
    ]
    if new_order.max_price_impact_bps != DEFAULT_MAX_PRICE_IMPACT_BPS:
        # Only then: a key that came before the field existed still stands for the same order.
        fields.append(f"maxPriceImpactBps={new_order.max_price_impact_bps}")
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def _pending(new_order: NewOrder) -> Order:
    order_id = new_order_id()
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
    )
