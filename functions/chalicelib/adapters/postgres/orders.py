"""The order store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from psycopg.errors import UniqueViolation
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from chalicelib.adapters.postgres.following import FOLLOWED_AT_LEAST, MARKED_FOR, follow_user
from chalicelib.adapters.postgres.pool import Connection, Database
from chalicelib.adapters.postgres.rows import (
    changing_columns,
    event_from,
    event_from_json,
    launch_json,
    order_from,
)
from chalicelib.adapters.postgres.statements import (
    ADVANCE,
    AFTER_LEASE,
    ALL_EVENTS,
    BETWEEN_REPAIRS,
    CLAIM,
    COMMITTED_EVENT,
    COUNT_OPEN,
    COUNT_RESTING,
    DELETE_EXPIRED_KEYS,
    EARLIER,
    EVENTS,
    FOLLOW,
    HISTORIES,
    HISTORY,
    HOLDER,
    HOLDER_OF_CLIENT_ORDER_ID,
    IDLE,
    IS_USER_FOLLOWED,
    KEYS_A_BATCH,
    KEYS_KEPT_FOR,
    MARK_PUBLISHED,
    PICKED_UP_WITHIN,
    PUBLISHED_WITHIN,
    RECORD_FAILURE,
    RELEASE,
    SAVE_SIGNED_TRANSACTION,
    UNPUBLISHED,
    WAKE_WATCHER,
    insert_statement,
)
from chalicelib.domain.errors import ClientOrderIdTaken, Fenced, IdempotencyKeyReused, OrderNotFound
from chalicelib.domain.events import LimitMissed, OrderPlaced, RoutingStarted
from chalicelib.domain.order import Failure, History, Meta, Order, OrderEvent, SignedTransaction
from chalicelib.domain.transitions import TRANSITIONS, OrderStatus
from chalicelib.ports.orders import Claimed, Held, Idempotency, Idle, Lease, Settled, Transition, UserSnapshot
from chalicelib.services.event_messages import describe, routing_sentence

KEY_REUSED = "The Idempotency-Key came with another order before."
PLACED = OrderPlaced()


@dataclass(frozen=True, slots=True)
class Statements:
    """What serves the calls of clients; owned.py has one of each that finds the orders of one owner only."""

    insert: str = insert_statement()
    earlier: str = EARLIER
    holder_of_client_order_id: str = HOLDER_OF_CLIENT_ORDER_ID
    history: str = HISTORY
    events: str = EVENTS
    follow: str = FOLLOW
    advance: str = ADVANCE
    committed_event: str = COMMITTED_EVENT
    mark_published: str = MARK_PUBLISHED
    count_resting: str = COUNT_RESTING
    # Says why a new order was not stored, where there are limits; returns where it was.
    refuse: Callable[[Connection, Mapping[str, object]], None] | None = None


STATEMENTS = Statements()
NOTHING: Mapping[str, object] = MappingProxyType({})


class PostgresClientOrders:
    """`ClientOrders` on Postgres; `bound` is what every statement knows besides its own values."""

    def __init__(self, database: Database, statements: Statements, bound: Mapping[str, object]) -> None:
        self._database = database
        self._sql = statements
        self._bound = bound

    def insert(
        self, order: Order, idempotency: Idempotency | None, placed: OrderPlaced = PLACED
    ) -> Order | History | None:
        message, meta = describe(order, placed)
        values = {
            "id": order.id,
            "user_id": order.user_id,
            "wallet_address": order.wallet_address,
            "input_token": order.input_token.symbol,
            "output_token": order.output_token.symbol,
            "side": order.side,
            "amount": order.amount,
            "slippage_bps": order.slippage_bps,
            "client_order_id": order.client_order_id,
            "max_price_impact_bps": order.max_price_impact_bps,
            "created_at": order.created_at,
            "order_type": order.order_type,
            "time_in_force": order.time_in_force,
            "launch": Jsonb(launch_json(order.launch)) if order.launch else None,
            **changing_columns(order),
            "message": message,
            "meta": Jsonb(meta),
            "key": idempotency.key if idempotency else None,
            "fingerprint": idempotency.fingerprint if idempotency else None,
            "picked_up_within": PICKED_UP_WITHIN,
            **self._bound,
        }
        return self._database.run(lambda connection: _insert(connection, order, self._sql, values))

    def find_repeated(self, user_id: str, idempotency: Idempotency) -> Order | None:
        values = {"user_id": user_id, "key": idempotency.key, **self._bound}
        row = self._database.run(lambda connection: connection.execute(self._sql.earlier, values).fetchone())
        if row is not None and row["fingerprint"] != idempotency.fingerprint:
            raise IdempotencyKeyReused(KEY_REUSED)
        return order_from(row) if row is not None else None

    def count_resting(self, user_id: str, most: int) -> int:
        values = {"user_id": user_id, "most": most, **self._bound}
        row = self._database.run(lambda connection: connection.execute(self._sql.count_resting, values).fetchone())
        return int(row["orders"]) if row else 0

    def wake_watcher(self) -> bool:
        return self._database.run(lambda connection: connection.execute(WAKE_WATCHER).rowcount) > 0

    def get(self, order_id: str) -> History:
        return self._database.run(lambda connection: _history(connection, order_id, self._sql, self._bound))

    def follow(self, order_id: str) -> History:
        return self._database.run(lambda connection: _follow(connection, order_id, self._sql, self._bound))

    def advance(self, history: History, transition: Transition) -> History:
        return self._database.run(lambda connection: _advance(connection, history, transition, self._sql, self._bound))

    def mark_published(self, order: Order) -> None:
        values = {"id": order.id, "sequence": order.sequence, **self._bound}
        self._database.run(lambda connection: connection.execute(self._sql.mark_published, values))


class PostgresOrders(PostgresClientOrders):
    """`OrderStore` on Postgres."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, STATEMENTS, NOTHING)

    def follow_user(self, user_id: str, since: datetime | None, *, most_open: int, most_events: int) -> UserSnapshot:
        return self._database.run(
            lambda connection: follow_user(connection, user_id, since, most_open=most_open, most_events=most_events)
        )

    def claim(self, order_id: str, lease: Lease, start: RoutingStarted | None = None) -> Claimed | Held | Settled:
        return self._database.run(lambda connection: _claim(connection, order_id, lease, start))

    def save_signed_transaction(self, order: Order, transaction: SignedTransaction, lease: Lease) -> Order:
        values = {
            "id": order.id,
            "sequence": order.sequence,
            "signature": transaction.signature,
            "raw": transaction.raw,
            "last_valid_height": transaction.last_valid_height,
            "token": lease.token,
            "lease": lease.seconds,
            "after_lease": AFTER_LEASE,
        }
        row = self._database.run(lambda connection: connection.execute(SAVE_SIGNED_TRANSACTION, values).fetchone())
        if row is None:
            raise Fenced
        return replace(order, transaction=transaction)

    def release(self, order: Order, lease: Lease, retry_after_seconds: float) -> None:
        values = {
            "id": order.id,
            "token": lease.token,
            "retry_after_seconds": retry_after_seconds,
            "picked_up_within": PICKED_UP_WITHIN,
        }
        self._database.run(lambda connection: connection.execute(RELEASE, values))

    def record_failure(self, order: Order, lease: Lease, failure: Failure) -> None:
        values = {
            "id": order.id,
            "token": lease.token,
            "code": failure.code,
            "message": failure.message,
            "retryable": failure.retryable,
        }
        self._database.run(lambda connection: connection.execute(RECORD_FAILURE, values))

    def idle(self, limit: int, again_in: int) -> Idle:
        values = {"limit": limit, "again_in": again_in}
        rows = self._database.run(lambda connection: connection.execute(IDLE, values).fetchall())
        return Idle(tuple(row["id"] for row in rows if row["idle"]), looked_at=len(rows))

    def unpublished(self, limit: int) -> Sequence[History]:
        values = {"limit": limit, "between": BETWEEN_REPAIRS}

        def ended(connection: Connection) -> list[History]:
            return histories(connection, [row["order_id"] for row in connection.execute(UNPUBLISHED, values)])

        return self._database.run(ended)

    def count_open(self) -> int:
        row = self._database.run(lambda connection: connection.execute(COUNT_OPEN).fetchone())
        return int(row["orders"]) if row else 0

    def delete_expired_idempotency_keys(self) -> int:
        values = {"kept_for": KEYS_KEPT_FOR, "batch": KEYS_A_BATCH}
        return self._database.run(lambda connection: connection.execute(DELETE_EXPIRED_KEYS, values).rowcount)


def _insert(
    connection: Connection, order: Order, sql: Statements, values: Mapping[str, object]
) -> Order | History | None:
    try:
        stored = connection.execute(sql.insert, values).fetchone()
        if stored is not None:
            return _history(connection, order.id, sql, values) if stored["user_followed"] else None
    except UniqueViolation as violation:
        if violation.diag.constraint_name == "orders_pkey":
            return _stored_before(connection, order, sql, values)
        raise ClientOrderIdTaken(_holder_of_client_order_id(connection, sql, values)) from None
    row = connection.execute(sql.earlier, values).fetchone()
    if row is None and sql.refuse is not None:
        sql.refuse(connection, values)
        return None
    if row is None or row["fingerprint"] != values["fingerprint"]:
        raise IdempotencyKeyReused(KEY_REUSED)
    return _stored_before(connection, order, sql, values) if row["id"] == order.id else order_from(row)


def _stored_before(
    connection: Connection, order: Order, sql: Statements, values: Mapping[str, object]
) -> History | None:
    """As `insert`, of our own commit, whose answer was lost with the connection."""
    row = connection.execute(IS_USER_FOLLOWED, values).fetchone()
    return _history(connection, order.id, sql, values) if row is not None and row["user_followed"] else None


def _holder_of_client_order_id(connection: Connection, sql: Statements, values: Mapping[str, object]) -> str:
    row = connection.execute(sql.holder_of_client_order_id, values).fetchone()
    return str(row["id"]) if row else "unknown"


def _history(connection: Connection, order_id: str, sql: Statements, bound: Mapping[str, object]) -> History:
    row = connection.execute(sql.history, {"id": order_id, **bound}).fetchone()
    if row is None:
        raise OrderNotFound(order_id)
    order = order_from(row)
    return History(order, _events(connection, order, sql, bound))


def _follow(connection: Connection, order_id: str, sql: Statements, bound: Mapping[str, object]) -> History:
    values = {"id": order_id, "marked_for": MARKED_FOR, "at_least": FOLLOWED_AT_LEAST, **bound}
    row = connection.execute(sql.follow, values).fetchone()
    if row is None:
        # Not in the same statement: its picture would be older than the end, or the mark, that it waited for.
        return _history(connection, order_id, sql, bound)
    order = order_from(row)
    return History(order, _events(connection, order, sql, bound))


def _events(
    connection: Connection, order: Order, sql: Statements, bound: Mapping[str, object]
) -> tuple[OrderEvent, ...]:
    """The events up to the order's own sequence: both together are one consistent picture."""
    rows = connection.execute(sql.events, {"id": order.id, "sequence": order.sequence, **bound})
    return tuple(event_from(row) for row in rows)


def histories(connection: Connection, order_ids: list[str]) -> list[History]:
    """The orders with their events, in two statements however many they are."""
    events: dict[str, list[OrderEvent]] = {order_id: [] for order_id in order_ids}
    orders = [order_from(row) for row in connection.execute(HISTORIES, {"ids": order_ids})]
    for row in connection.execute(ALL_EVENTS, {"ids": order_ids}):
        events[row["order_id"]].append(event_from(row))
    return [
        History(order, tuple(event for event in events[order.id] if event.sequence <= order.sequence))
        for order in orders
    ]


def _claim(
    connection: Connection, order_id: str, lease: Lease, start: RoutingStarted | None
) -> Claimed | Held | Settled:
    values = {
        "id": order_id,
        "token": lease.token,
        "lease": lease.seconds,
        "after_lease": AFTER_LEASE,
        "pending": OrderStatus.PENDING,
        "start": TRANSITIONS[OrderStatus.PENDING, start.trigger] if start else None,
        "message": routing_sentence(start.venues) if start else None,
    }
    row = connection.execute(CLAIM, values).fetchone()
    if row is not None:
        order = order_from(row)
        events = tuple(map(event_from_json, row["events"]))
        if start and row["started"] and len(events) == order.sequence - 1:
            events += (_event_of(order, *describe(order, start)),)
        if len(events) != order.sequence:
            events = _events(connection, order, STATEMENTS, NOTHING)
        history = History(order, events, row["followed"], row["user_followed"])
        return Claimed(history, max(row["fruitless_claims"] - 1, 0), bool(row["started"]))
    holder = connection.execute(HOLDER, values).fetchone()
    if holder is None:
        return Settled(None)
    if holder["over"]:
        return Settled(_history(connection, order_id, STATEMENTS, NOTHING), published=holder["published"])
    return Held(max(float(holder["seconds"] or 0), 0.0))


def _advance(
    connection: Connection, history: History, transition: Transition, sql: Statements, bound: Mapping[str, object]
) -> History:
    before, after, lease = transition.before, transition.after, transition.lease
    message, meta = describe(before, transition.event)
    values = {
        **changing_columns(after),
        "id": after.id,
        "before": before.status,
        "signature_before": before.transaction.signature if before.transaction else None,
        "token": lease.token if lease else None,
        "lease": lease.seconds if lease else 0,
        "release": transition.release,
        "retry_after_seconds": transition.retry_after_seconds,
        "over": after.status.is_terminal,
        "again_in": transition.event.again_in if isinstance(transition.event, LimitMissed) else 0,
        "message": message,
        "meta": Jsonb(meta),
        "picked_up_within": PICKED_UP_WITHIN,
        "after_lease": AFTER_LEASE,
        "published_within": PUBLISHED_WITHIN,
        **bound,
    }
    row = connection.execute(sql.advance, values).fetchone() or _find_committed_event(connection, sql, values)
    if row is None:
        raise Fenced
    moved = replace(after, updated_at=row["occurred_at"])
    return History(moved, (*history.events, _event_of(moved, message, meta)), row["followed"], row["user_followed"])


def _event_of(moved: Order, message: str, meta: Meta) -> OrderEvent:
    """The event that made the order what it is."""
    return OrderEvent(moved.id, moved.sequence, moved.status, moved.attempt, message, meta, moved.updated_at)


def _find_committed_event(connection: Connection, sql: Statements, values: Mapping[str, object]) -> DictRow | None:
    """The event of this very move, where its commit succeeded and only the answer was lost.

    Nobody else can have written it: the lease was ours until that commit, and the message tells attempts apart. Without
    a lease anybody can.
    """
    if values["token"] is None:
        return None
    return connection.execute(sql.committed_event, values).fetchone()
