"""Accepting an order: once this returns, the order is durable and will end."""

from __future__ import annotations

import hashlib
import json

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import NewOrder, Order, new_order_id, placed_at
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.ports import Idempotency, OrdersQueue, OrderStore, PlacedOrder, Telemetry


def place_order(
    wish: NewOrder,
    *,
    idempotency_key: str | None,
    store: OrderStore,
    queue: OrdersQueue,
    telemetry: Telemetry,
) -> PlacedOrder:
    """Stores the order with its first event, then hands it to the workers.

    Raises:
        IdempotencyKeyReused: the key came with another order before.
        ClientOrderIdTaken: the user has an order with this client order id.
        Unavailable: the database cannot be reached, or broke while it wrote: only a request with the same key can tell.
    """
    order = _pending(wish)
    idempotency = Idempotency(idempotency_key, fingerprint(wish)) if idempotency_key is not None else None
    earlier = store.insert(order, "Order accepted.", idempotency)
    if earlier is not None:
        telemetry.log("order_replayed", order_id=earlier.id)
        return PlacedOrder(earlier, replayed=True)
    telemetry.log("order_accepted", order_id=order.id, user_id=order.user_id)
    telemetry.count("OrdersAccepted")
    try:
        queue.send(order.id)
    except Unavailable as error:
        # The 202 stands: the order is committed, and reconcile enqueues it.
        telemetry.warn("enqueue_failed", order_id=order.id, reason=str(error))
        telemetry.count("EnqueueFailures")
    return PlacedOrder(order, replayed=False)


def fingerprint(wish: NewOrder) -> str:
    """Tells whether two requests wish for the same order, however they were written."""
    fields = [
        wish.user_id,
        wish.wallet_address,
        wish.input_token.symbol,
        wish.output_token.symbol,
        wish.side,
        str(wish.amount),
        str(wish.slippage_bps),
        wish.client_order_id,
    ]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def _pending(wish: NewOrder) -> Order:
    order_id = new_order_id()
    moment = placed_at(order_id)
    return Order(
        id=order_id,
        user_id=wish.user_id,
        wallet_address=wish.wallet_address,
        input_token=wish.input_token,
        output_token=wish.output_token,
        side=wish.side,
        amount=wish.amount,
        slippage_bps=wish.slippage_bps,
        client_order_id=wish.client_order_id,
        status=OrderStatus.PENDING,
        attempt=1,
        sequence=1,
        created_at=moment,
        updated_at=moment,
    )
