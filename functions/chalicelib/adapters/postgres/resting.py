"""Orders that rest, as the watcher reads and moves them: however many rest, it reads what it crosses.

Two traps, both measured: the planner reads the whole table for `UPDATE … FROM crossed`, and the primary key for
`id = ANY(…)`; and `clock_timestamp()`, which changes while a statement runs, can bound no index.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from psycopg.types.json import Jsonb

from chalicelib.adapters.postgres.orders import histories
from chalicelib.adapters.postgres.pool import Connection, Database
from chalicelib.adapters.postgres.rows import ORDER_COLUMNS, order_from
from chalicelib.adapters.postgres.statements import PICKED_UP_WITHIN, PUBLISHED_WITHIN
from chalicelib.domain.events import Move, apply
from chalicelib.domain.launches import Launch
from chalicelib.domain.order import History, Order
from chalicelib.services.event_messages import describe

# Sorted as the partial index is: else the planner reads the table where its statistics say that many rest, or did.
COUNT = """
SELECT count(*) AS orders FROM (
    SELECT FROM orders WHERE status = 'waiting' ORDER BY expires_at LIMIT %(most)s
) AS resting
"""

COUNT_FIRED = """
SELECT count(*) AS orders FROM (
    SELECT FROM orders WHERE status = 'pending' AND fires > 0 ORDER BY id LIMIT %(most)s
) AS fired
"""

# From pair to pair through the index: a DISTINCT would read every entry.
PAIRS = """
WITH RECURSIVE pair AS (
    (SELECT input_token, output_token FROM orders WHERE status = 'waiting' AND order_type = 'limit'
     ORDER BY input_token, output_token LIMIT 1)
    UNION ALL
    SELECT following.input_token, following.output_token FROM pair CROSS JOIN LATERAL (
        SELECT input_token, output_token FROM orders WHERE status = 'waiting' AND order_type = 'limit'
            AND (orders.input_token, orders.output_token) > (pair.input_token, pair.output_token)
        ORDER BY input_token, output_token LIMIT 1
    ) AS following
)
SELECT input_token, output_token FROM pair
"""

EXPIRED = f"""
SELECT {ORDER_COLUMNS} FROM orders WHERE status = 'waiting' AND expires_at <= statement_timestamp()
ORDER BY expires_at LIMIT %(limit)s
"""  # noqa: S608 - the columns are constants

# The caller sorts them: joined to what was crossed, the planner would read all of a table that is not large yet.
CROSSING = f"""
SELECT {ORDER_COLUMNS} FROM orders WHERE id = ANY(ARRAY(
    SELECT found.id
    FROM unnest(%(inputs)s::text[], %(outputs)s::text[], %(touches)s::numeric[]) WITH ORDINALITY
        AS market (input, output, touch, number)
    CROSS JOIN LATERAL (
        SELECT id, bound FROM orders
        WHERE status = 'waiting' AND order_type = 'limit' AND input_token = input AND output_token = output
          AND bound <= touch AND (fires_from IS NULL OR fires_from <= statement_timestamp())
        ORDER BY bound, id LIMIT %(limit)s
    ) AS found
    ORDER BY number, found.bound, found.id LIMIT %(limit)s
))
"""  # noqa: S608

SNIPED = """
SELECT symbol FROM unnest(%(symbols)s::text[]) AS symbol
WHERE EXISTS (SELECT FROM orders WHERE status = 'waiting' AND order_type = 'sniper' AND output_token = symbol)
"""

SNIPING = f"""
SELECT {ORDER_COLUMNS} FROM orders
WHERE status = 'waiting' AND order_type = 'sniper' AND output_token = %(symbol)s AND id > %(after)s
  AND (fires_from IS NULL OR fires_from <= statement_timestamp())
ORDER BY id LIMIT %(limit)s
"""  # noqa: S608

POSTPONE = """
UPDATE orders SET fires_from = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = ANY(%(ids)s) AND status = 'waiting'
"""

# Each order as it was read, or not at all: what was cancelled, amended or fired meanwhile is passed over, and what
# another watcher is about to move is left to it. Where they fire, the first of them as far as there is room, counted
# once more here: another watcher may have fired as many since this one counted.
MOVE = """
WITH wanted AS (
    SELECT * FROM unnest(%(ids)s::text[], %(sequences)s::integer[], %(statuses)s::text[], %(fires)s::integer[],
                         %(codes)s::text[], %(reasons)s::text[], %(messages)s::text[], %(metas)s::jsonb[])
        AS move (id, sequence, status, fires, code, reason, message, meta)
), locked AS MATERIALIZED (
    SELECT id FROM orders WHERE status = 'waiting' AND id = ANY((%(ids)s::text[])[1:(
        SELECT greatest(coalesce(%(most_fired)s::integer - count(*), cardinality(%(ids)s::text[])), 0)::integer FROM (
            SELECT FROM orders WHERE %(most_fired)s::integer IS NOT NULL AND status = 'pending' AND fires > 0
            ORDER BY id LIMIT %(most_fired)s::integer
        ) AS fired
    )]) FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE orders SET
        status = move.status, sequence = orders.sequence + 1, attempt = 1, fires = move.fires,
        fired_at = CASE WHEN move.fires > orders.fires THEN clock_timestamp() ELSE orders.fired_at END,
        fires_from = NULL, error_code = move.code, error_message = move.reason,
        error_retryable = CASE WHEN move.code IS NOT NULL THEN true END,
        updated_at = greatest(orders.updated_at, clock_timestamp()),
        attention_at = clock_timestamp() + CASE
            WHEN move.status = 'pending' THEN %(picked_up_within)s::interval
            -- null, which the sum is then, where nobody has to be told
            WHEN orders.followed_until > clock_timestamp() THEN %(published_within)s::interval END
    FROM wanted AS move
    WHERE orders.id = ANY(ARRAY(SELECT id FROM locked)) AND move.id = orders.id
      AND orders.status = 'waiting' AND orders.sequence = move.sequence
    RETURNING orders.id, orders.user_id, orders.status, orders.attempt, orders.sequence, orders.updated_at,
              move.message, move.meta
), written AS (
    INSERT INTO order_events (order_id, user_id, sequence, status, attempt, message, meta, occurred_at)
    SELECT id, user_id, sequence, status, attempt, message, meta, updated_at FROM moved
)
SELECT id FROM moved
"""

# Where nobody follows there is nobody to tell.
FOLLOWED = """
SELECT id, coalesce(user_followed_until > clock_timestamp(), false) AS user_followed
FROM orders WHERE id = ANY(%(ids)s) AND followed_until > clock_timestamp()
"""

SAVE_LAUNCHES = """
INSERT INTO launches AS known (pool, event_ids, token, kind, venue, confirmed_at, opens_at, liquidity_usd, safe, flags)
VALUES (%(pool)s, ARRAY[%(event_id)s], %(token)s, %(kind)s, %(venue)s, %(confirmed_at)s, %(opens_at)s,
        %(liquidity_usd)s, %(safe)s, %(flags)s)
ON CONFLICT (pool) DO UPDATE SET
    liquidity_usd = excluded.liquidity_usd, safe = excluded.safe, flags = excluded.flags,
    event_ids = CASE WHEN known.event_ids @> excluded.event_ids THEN known.event_ids
                     ELSE known.event_ids || excluded.event_ids END
WHERE known.liquidity_usd <> excluded.liquidity_usd OR NOT known.event_ids @> excluded.event_ids
"""


class PostgresResting:
    """`RestingOrders` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def any_resting(self) -> bool:
        return self._count(COUNT, 1) > 0

    def count(self, most: int) -> int:
        return self._count(COUNT, most)

    def count_fired(self, most: int) -> int:
        return self._count(COUNT_FIRED, most)

    def pairs(self) -> Sequence[tuple[str, str]]:
        rows = self._database.run(lambda connection: connection.execute(PAIRS).fetchall())
        return [(row["input_token"], row["output_token"]) for row in rows]

    def expired(self, limit: int) -> Sequence[Order]:
        return self._orders(EXPIRED, {"limit": limit})

    def crossing(self, touches: Sequence[tuple[str, str, Decimal]], limit: int) -> Sequence[Order]:
        values = {
            "inputs": [symbol for symbol, _, _ in touches],
            "outputs": [symbol for _, symbol, _ in touches],
            "touches": [touch for _, _, touch in touches],
            "limit": limit,
        }
        place = {(one, other): number for number, (one, other, _) in enumerate(touches)}

        def by_price_then_time(order: Order) -> tuple[int, Decimal, str]:
            return place[order.input_token.symbol, order.output_token.symbol], order.bound or Decimal(0), order.id

        return sorted(self._orders(CROSSING, values), key=by_price_then_time)

    def tokens_with_snipers(self, symbols: Sequence[str]) -> Collection[str]:
        values = {"symbols": list(symbols)}
        rows = self._database.run(lambda connection: connection.execute(SNIPED, values).fetchall())
        return {row["symbol"] for row in rows}

    def snipers_of(self, symbol: str, after: str, limit: int) -> Sequence[Order]:
        return self._orders(SNIPING, {"symbol": symbol, "after": after, "limit": limit})

    def postpone(self, orders: Sequence[Order], seconds: int) -> None:
        if orders:
            values = {"ids": [order.id for order in orders], "seconds": seconds}
            self._database.run(lambda connection: connection.execute(POSTPONE, values))

    def move(self, moves: Sequence[tuple[Order, Move]], most_fired: int | None = None) -> Sequence[str]:
        if not moves:
            return []
        described = [(order, apply(order, event), *describe(order, event)) for order, event in moves]
        values = {
            "ids": [order.id for order, *_ in described],
            "sequences": [order.sequence for order, *_ in described],
            "statuses": [str(after.status) for _, after, *_ in described],
            "fires": [after.fires for _, after, *_ in described],
            "codes": [str(after.failure.code) if after.failure else None for _, after, *_ in described],
            "reasons": [after.failure.message if after.failure else None for _, after, *_ in described],
            "messages": [message for *_, message, _ in described],
            "metas": [Jsonb(meta) for *_, meta in described],
            "picked_up_within": PICKED_UP_WITHIN,
            "published_within": PUBLISHED_WITHIN,
            "most_fired": most_fired,
        }
        rows = self._database.run(lambda connection: connection.execute(MOVE, values).fetchall())
        moved = {row["id"] for row in rows}
        # A first answer that was lost moved them all the same; reconcile sends those.
        return [order.id for order, _ in moves if order.id in moved]

    def followed(self, order_ids: Sequence[str]) -> Sequence[History]:
        def read(connection: Connection) -> Sequence[History]:
            rows = connection.execute(FOLLOWED, {"ids": list(order_ids)}).fetchall()
            of_user = {row["id"]: row["user_followed"] for row in rows}
            found = histories(connection, list(of_user))
            return [replace(history, user_followed=of_user[history.order.id]) for history in found]

        return self._database.run(read)

    def save_launches(self, launches: Sequence[Launch]) -> None:
        values = [
            {
                "pool": launch.pool,
                "event_id": launch.event_id,
                "token": launch.token.symbol,
                "kind": str(launch.kind),
                "venue": launch.venue,
                "confirmed_at": launch.confirmed_at,
                "opens_at": launch.opens_at,
                "liquidity_usd": launch.liquidity_usd,
                "safe": launch.safe,
                "flags": Jsonb([str(flag) for flag in launch.flags]),
            }
            for launch in launches
        ]

        def save(connection: Connection) -> None:
            with connection.cursor() as cursor:
                cursor.executemany(SAVE_LAUNCHES, values)

        if values:
            self._database.run(save)

    def awake_until(self) -> datetime:
        return self._watch()[0]

    def last_beat(self) -> datetime | None:
        return self._watch()[1]

    def stay_awake(self, until: datetime) -> None:
        statement = "UPDATE watch SET awake_until = %(until)s WHERE awake_until < %(until)s"
        self._database.run(lambda connection: connection.execute(statement, {"until": until}))

    def note_beat(self, at: datetime) -> None:
        statement = "UPDATE watch SET beat_at = %(at)s WHERE beat_at IS NULL OR beat_at < %(at)s"
        self._database.run(lambda connection: connection.execute(statement, {"at": at}))

    def _watch(self) -> tuple[datetime, datetime | None]:
        row = self._database.run(
            lambda connection: connection.execute("SELECT awake_until, beat_at FROM watch").fetchone()
        )
        if row is None:
            raise RuntimeError("The table watch has no row: migration 0025 puts it there.")
        return row["awake_until"], row["beat_at"]

    def _count(self, statement: str, most: int) -> int:
        row = self._database.run(lambda connection: connection.execute(statement, {"most": most}).fetchone())
        return int(row["orders"]) if row else 0

    def _orders(self, statement: str, values: dict[str, object]) -> Sequence[Order]:
        rows = self._database.run(lambda connection: connection.execute(statement, values).fetchall())
        return [order_from(row) for row in rows]
