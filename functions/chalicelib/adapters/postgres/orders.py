"""The order store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from psycopg.errors import UniqueViolation
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from chalicelib.adapters.postgres.following import FOLLOWED_AT_LEAST, MARKED_FOR, OPEN_STATUSES, follow_user
from chalicelib.adapters.postgres.pool import Connection, Database
from chalicelib.adapters.postgres.rows import (
    EVENT_COLUMNS,
    ORDER_COLUMNS,
    changing_columns,
    event_from,
    event_from_json,
    launch_json,
    order_from,
)
from chalicelib.domain.errors import ClientOrderIdTaken, Fenced, IdempotencyKeyReused, OrderNotFound
from chalicelib.domain.events import LimitMissed, OrderPlaced, RoutingStarted
from chalicelib.domain.order import Failure, History, Meta, Order, OrderEvent, SignedTransaction
from chalicelib.domain.transitions import TRANSITIONS, WORKABLE, OrderStatus
from chalicelib.services.event_messages import asking, describe
from chalicelib.services.ports import Claimed, Held, Idempotency, Idle, Lease, Settled, Transition, UserSnapshot

# After this long an order that nobody moved gets reconcile's attention: longer than a worker needs to pick it up.
PICKED_UP_WITHIN = "15 seconds"
# Beyond the lease, the message's own return (visibility timeout 24 s) gets its chance first.
AFTER_LEASE = "12 seconds"
PUBLISHED_WITHIN = "5 seconds"
BETWEEN_REPAIRS = "45 seconds"
KEYS_KEPT_FOR = "48 hours"
# How much earlier than it was stored an order may have been placed, by its first event.
AT_MOST_BEHIND = "interval '2 seconds'"
# Few enough that a batch holds its locks for some milliseconds only.
KEYS_A_BATCH = 1_000
# The lists of states that the statements name, from the state machine.
WORKABLE_STATUSES = ", ".join(f"'{status}'" for status in OrderStatus if status in WORKABLE)
FINAL_STATUSES = ", ".join(f"'{status}'" for status in OrderStatus if status.is_terminal)

KEY_REUSED = "The Idempotency-Key came with another order before."
PLACED = OrderPlaced()


def insert_statement(allowed: str = "") -> str:
    """Stores an order, its first event and its key; `allowed` is a part that gives a row where it may be stored."""
    beside = f"allowed AS ({allowed}), " if allowed else ""
    where_allowed = " AND EXISTS (SELECT FROM allowed)" if allowed else ""
    return f"""
WITH {beside}key AS (
    INSERT INTO idempotency_keys (user_id, key, fingerprint, order_id)
    SELECT %(user_id)s, %(key)s, %(fingerprint)s, %(id)s WHERE %(key)s::text IS NOT NULL{where_allowed}
    ON CONFLICT DO NOTHING
    RETURNING order_id
), placed AS (
    INSERT INTO orders (id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps,
                        client_order_id, max_price_impact_bps, status, attempt, sequence, created_at, updated_at,
                        order_type, limit_price, least_output, most_input, time_in_force, expires_at, launch, bound,
                        fires, fired_at, attention_at, followed_until)
    SELECT %(id)s, %(user_id)s, %(wallet_address)s, %(input_token)s, %(output_token)s, %(side)s, %(amount)s,
           %(slippage_bps)s, %(client_order_id)s, %(max_price_impact_bps)s, %(status)s, %(attempt)s, 1,
           %(created_at)s, %(created_at)s, %(order_type)s, %(limit_price)s, %(least_output)s, %(most_input)s,
           %(time_in_force)s, %(expires_at)s, %(launch)s, %(bound)s, %(fires)s, %(fired_at)s,
           -- what rests is not to be executed; where somebody follows its user, the trigger has it told (0033)
           CASE WHEN NOT %(rests)s THEN clock_timestamp() + %(picked_up_within)s::interval END, NULL
    WHERE (%(key)s::text IS NULL OR EXISTS (SELECT FROM key)){where_allowed}
    RETURNING id, user_id, status, attempt, user_followed_until
)
INSERT INTO order_events (order_id, user_id, sequence, status, attempt, message, meta, occurred_at)
SELECT id, user_id, 1, status, attempt, %(message)s, %(meta)s,
       -- whose clock is behind, or who came through late, must not be passed by: events are listed by their times
       greatest(%(created_at)s, clock_timestamp() - {AT_MOST_BEHIND})
FROM placed
RETURNING occurred_at, (SELECT coalesce(user_followed_until > clock_timestamp(), false) FROM placed) AS user_followed
"""  # noqa: S608 - parts of ours


EARLIER = f"""
SELECT {ORDER_COLUMNS}, fingerprint FROM orders JOIN (
    SELECT order_id, fingerprint FROM idempotency_keys WHERE user_id = %(user_id)s AND key = %(key)s
) AS used ON order_id = id
"""  # noqa: S608 - the columns are constants

HISTORY = f"""
SELECT {ORDER_COLUMNS} FROM orders WHERE id = %(id)s
"""  # noqa: S608

EVENTS = f"""
SELECT {EVENT_COLUMNS} FROM order_events WHERE order_id = %(id)s AND sequence <= %(sequence)s ORDER BY sequence
"""  # noqa: S608

# Nothing is written where the order is over or its mark lasts anyway: then it is enough to read, for whatever moves
# the order after that finds the mark.
FOLLOW = f"""
UPDATE orders SET followed_until = clock_timestamp() + %(marked_for)s::interval
WHERE id = %(id)s AND status IN ({OPEN_STATUSES})
  AND (followed_until IS NULL OR followed_until < clock_timestamp() + %(at_least)s::interval)
RETURNING {ORDER_COLUMNS}
"""  # noqa: S608

HISTORIES = f"""
SELECT {ORDER_COLUMNS} FROM orders WHERE id = ANY(%(ids)s)
"""  # noqa: S608

ALL_EVENTS = f"""
SELECT {EVENT_COLUMNS} FROM order_events WHERE order_id = ANY(%(ids)s) ORDER BY order_id, sequence
"""  # noqa: S608

# One statement for taking an order and, where it is new, for the move that begins it: `start` is null where whoever
# claims only looks. A repeated claim finds the event that it wrote, and writes none. The events are as they were before
# the statement, so without that one, and without those of a move that the claim waited for.
BEGINS = """
    %(start)s::text IS NOT NULL AND status = %(pending)s AND (expires_at IS NULL OR expires_at > clock_timestamp())
"""
CLAIM = f"""
WITH claimed AS (
    UPDATE orders SET
        lease_token = %(token)s, lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s),
        next_attempt_at = NULL,
        status = CASE WHEN {BEGINS} THEN %(start)s ELSE status END,
        sequence = sequence + CASE WHEN {BEGINS} THEN 1 ELSE 0 END,
        updated_at = CASE WHEN {BEGINS} THEN greatest(updated_at, clock_timestamp()) ELSE updated_at END,
        error_code = CASE WHEN NOT ({BEGINS}) THEN error_code END,
        error_message = CASE WHEN NOT ({BEGINS}) THEN error_message END,
        error_retryable = CASE WHEN NOT ({BEGINS}) THEN error_retryable END,
        fruitless_claims = CASE WHEN {BEGINS} THEN 0
                                WHEN lease_token = %(token)s THEN fruitless_claims ELSE fruitless_claims + 1 END,
        attention_at = clock_timestamp() + make_interval(secs => %(lease)s) + %(after_lease)s::interval
    WHERE id = %(id)s AND status IN ({WORKABLE_STATUSES})
      AND (lease_token IS NULL OR lease_token = %(token)s OR lease_expires_at < clock_timestamp())
      AND (next_attempt_at IS NULL OR next_attempt_at <= clock_timestamp())
    RETURNING {ORDER_COLUMNS}, fruitless_claims, coalesce(followed_until > clock_timestamp(), false) AS followed,
              coalesce(user_followed_until > clock_timestamp(), false) AS user_followed
), started AS (
    INSERT INTO order_events (order_id, user_id, sequence, status, attempt, message, meta, occurred_at)
    SELECT id, user_id, sequence, status, attempt, %(message)s, jsonb_build_object('attempt', attempt), updated_at
    FROM claimed WHERE status = %(start)s
    ON CONFLICT DO NOTHING
)
SELECT *, status = %(start)s AND fruitless_claims = 0 AS started,
       (SELECT json_agg(event ORDER BY sequence)
        FROM (SELECT {EVENT_COLUMNS} FROM order_events WHERE order_id = %(id)s) AS event) AS events
FROM claimed
"""  # noqa: S608

HOLDER = f"""
SELECT status NOT IN ({WORKABLE_STATUSES}) AS over, attention_at IS NULL AS published,
       extract(epoch FROM greatest(lease_expires_at, next_attempt_at) - clock_timestamp())::numeric AS seconds
FROM orders WHERE id = %(id)s
"""  # noqa: S608

# One statement: the move and its event are committed together or not at all. `greatest` keeps an order's times in step
# with its sequence where a clock jumped.
ADVANCE = """
WITH moved AS (
    UPDATE orders SET
        status = %(status)s, attempt = %(attempt)s, sequence = %(sequence)s, route = %(route)s, venue = %(venue)s,
        signature = %(signature)s, last_valid_height = %(last_valid_height)s,
        raw_transaction = CASE WHEN %(signature)s::text IS NOT NULL THEN raw_transaction END,
        transaction_expires_at = CASE WHEN %(signature)s::text IS NOT NULL THEN transaction_expires_at END,
        fill_amount_in = %(fill_amount_in)s, fill_amount_out = %(fill_amount_out)s, fill_fee = %(fill_fee)s,
        error_code = %(error_code)s, error_message = %(error_message)s, error_retryable = %(error_retryable)s,
        limit_price = %(limit_price)s,
        least_output = CASE WHEN limit_price = %(limit_price)s THEN least_output ELSE %(least_output)s END,
        most_input = CASE WHEN limit_price = %(limit_price)s THEN most_input ELSE %(most_input)s END,
        expires_at = %(expires_at)s, bound = %(bound)s, fires = %(fires)s, fired_at = %(fired_at)s,
        fires_from = CASE WHEN %(again_in)s > 0 THEN clock_timestamp() + make_interval(secs => %(again_in)s) END,
        updated_at = greatest(updated_at, clock_timestamp()),
        lease_token = CASE WHEN %(release)s THEN NULL ELSE lease_token END,
        lease_expires_at = CASE WHEN %(release)s THEN NULL
                                ELSE clock_timestamp() + make_interval(secs => %(lease)s) END,
        fruitless_claims = 0,
        next_attempt_at = CASE WHEN %(resume_in)s > 0
                               THEN clock_timestamp() + make_interval(secs => %(resume_in)s) END,
        attention_at = clock_timestamp() + CASE
            -- null, which the sum is then, where nobody has to be told
            WHEN %(over)s OR %(rests)s
                THEN CASE WHEN followed_until > clock_timestamp() THEN %(published_within)s::interval END
            WHEN %(release)s THEN make_interval(secs => %(resume_in)s) + %(picked_up_within)s::interval
            ELSE make_interval(secs => %(lease)s) + %(after_lease)s::interval END
    WHERE id = %(id)s AND status = %(before)s AND sequence = %(sequence)s - 1
      AND signature IS NOT DISTINCT FROM %(signature_before)s
      AND (%(token)s::uuid IS NULL OR lease_token = %(token)s::uuid)
    RETURNING id, user_id, status, attempt, sequence, updated_at,
              coalesce(followed_until > clock_timestamp(), false) AS followed,
              coalesce(user_followed_until > clock_timestamp(), false) AS user_followed
)
INSERT INTO order_events (order_id, user_id, sequence, status, attempt, message, meta, occurred_at)
SELECT id, user_id, sequence, status, attempt, %(message)s, %(meta)s, updated_at FROM moved
RETURNING occurred_at, (SELECT followed FROM moved), (SELECT user_followed FROM moved)
"""

SAVE_SIGNED_TRANSACTION = f"""
UPDATE orders SET
    signature = %(signature)s, raw_transaction = %(raw)s, last_valid_height = %(last_valid_height)s,
    lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s),
    attention_at = clock_timestamp() + make_interval(secs => %(lease)s) + %(after_lease)s::interval
WHERE id = %(id)s AND status = '{OrderStatus.BUILDING}' AND sequence = %(sequence)s AND lease_token = %(token)s
  AND (signature IS NULL OR signature = %(signature)s) AND (expires_at IS NULL OR expires_at > clock_timestamp())
RETURNING id
"""  # noqa: S608

RELEASE = """
UPDATE orders SET
    lease_token = NULL, lease_expires_at = NULL, fruitless_claims = 0,
    next_attempt_at = clock_timestamp() + make_interval(secs => %(resume_in)s),
    attention_at = clock_timestamp() + make_interval(secs => %(resume_in)s) + %(picked_up_within)s::interval
WHERE id = %(id)s AND lease_token = %(token)s
"""

RECORD_FAILURE = """
UPDATE orders SET
    error_code = %(code)s, error_message = %(message)s, error_retryable = %(retryable)s,
    lease_token = NULL, lease_expires_at = NULL
WHERE id = %(id)s AND lease_token = %(token)s
"""

MARK_PUBLISHED = f"""
UPDATE orders SET attention_at = NULL WHERE id = %(id)s AND sequence = %(sequence)s
  AND status IN ({FINAL_STATUSES}, '{OrderStatus.WAITING}')
"""  # noqa: S608

# SKIP LOCKED hands each order to one reconciler; the later look keeps it from the others afterwards. The orders
# themselves are neither locked nor written. Where somebody moved the order meanwhile, the look follows its attention.
IDLE = """
WITH due AS MATERIALIZED (
    SELECT order_id FROM order_attention WHERE NOT over AND look_at < clock_timestamp()
    ORDER BY look_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE order_attention SET look_at = CASE
    WHEN attention_at < clock_timestamp() THEN clock_timestamp() + make_interval(secs => %(again_in)s)
    ELSE attention_at END
FROM due JOIN orders ON id = due.order_id
WHERE order_attention.order_id = due.order_id
RETURNING id, attention_at < clock_timestamp() AS idle
"""

UNPUBLISHED = """
UPDATE order_attention SET look_at = clock_timestamp() + %(between)s::interval
WHERE order_id IN (
    SELECT order_id FROM order_attention WHERE over AND look_at < clock_timestamp()
    ORDER BY look_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING order_id
"""

COUNT_RESTING = """
SELECT count(*) AS orders FROM (
    SELECT FROM orders WHERE status = 'waiting' AND user_id = %(user_id)s LIMIT %(most)s
) AS resting
"""

# Whoever finds nobody awake sends for the watcher; its beat says from then on until when it watches. A sender that dies
# keeps the others from sending for these three seconds.
WAKE_WATCHER = """
UPDATE watch SET awake_until = clock_timestamp() + interval '3 seconds' WHERE awake_until <= clock_timestamp()
"""

COUNT_OPEN = """
SELECT count(*) AS orders FROM order_attention WHERE NOT over
"""

DELETE_EXPIRED_KEYS = """
DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM idempotency_keys WHERE created_at < now() - %(kept_for)s::interval
    ORDER BY created_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED))
"""

HOLDER_OF_CLIENT_ORDER_ID = """
SELECT id FROM orders WHERE user_id = %(user_id)s AND client_order_id = %(client_order_id)s
"""

IS_USER_FOLLOWED = """
SELECT coalesce(user_followed_until > clock_timestamp(), false) AS user_followed FROM orders WHERE id = %(id)s
"""

COMMITTED_EVENT = """
SELECT occurred_at, coalesce(followed_until > clock_timestamp(), false) AS followed,
       coalesce(user_followed_until > clock_timestamp(), false) AS user_followed
FROM order_events JOIN orders ON orders.id = order_id
WHERE order_id = %(id)s AND order_events.sequence = %(sequence)s AND order_events.status = %(status)s
  AND message = %(message)s AND orders.sequence = %(sequence)s
  AND (orders.lease_token = %(token)s::uuid OR orders.lease_token IS NULL)
"""


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

    def release(self, order: Order, lease: Lease, resume_in: float) -> None:
        values = {
            "id": order.id,
            "token": lease.token,
            "resume_in": resume_in,
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
        "message": asking(start.venues) if start else None,
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
        "resume_in": transition.resume_in,
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
