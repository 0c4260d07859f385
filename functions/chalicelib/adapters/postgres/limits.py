"""How much one user may ask for: a token bucket, and a number of open orders.

The bucket holds a minute's orders and fills evenly. What takes from it is a part of the statement that stores the
order, so nobody gets past it, however many requests come at once. The open orders are counted there, too, but not
locked: as many more may be stored as come in the same instant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from chalicelib.adapters.postgres.pool import Connection, Database
from chalicelib.adapters.postgres.statements import WORKABLE_STATUSES, insert_statement
from chalicelib.domain.errors import RateLimited, TooManyOpenOrders
from chalicelib.domain.identity import Owner
from chalicelib.ports.access import OrderLimits

# Of which a clock that jumped back takes nothing away.
SECONDS: Final = "greatest(0, extract(epoch FROM clock_timestamp() - bucket.at))::float8"
LEFT: Final = f"least(%(per_minute)s::float8, bucket.left_over + {SECONDS} * %(per_minute)s::float8 / 60)"
# A request that is repeated with its key takes nothing: it gets the answer of the first.
IS_NEW: Final = (
    "NOT EXISTS (SELECT FROM idempotency_keys WHERE user_id = %(owner)s AND key = %(key)s)"  # true where key is NULL
)
# Never counts past the limit, and by the index on user and state: what of a history is over is not looked at.
OPEN: Final = f"""(SELECT count(*) FROM (
    SELECT FROM orders WHERE user_id = %(owner)s AND status IN ({WORKABLE_STATUSES}) LIMIT %(max_open)s) AS counted)"""  # noqa: S608
WAIT: Final = f"""
SELECT (1 - {LEFT}) * 60 / %(per_minute)s::float8 AS seconds FROM allowances AS bucket WHERE user_id = %(owner)s
"""  # noqa: S608


def take_statement(*conditions: str) -> str:
    """Gives a row where one could be taken; a bucket that is not there yet is full."""
    return f"""
INSERT INTO allowances AS bucket (user_id, left_over, at)
SELECT %(owner)s, %(per_minute)s::float8 - 1, clock_timestamp() WHERE {" AND ".join(conditions) or "true"}
ON CONFLICT (user_id) DO UPDATE SET left_over = {LEFT} - 1, at = clock_timestamp() WHERE {LEFT} >= 1
RETURNING user_id
"""


def limited_insert(limits: OrderLimits) -> str:
    """The statement that stores an order, within these limits."""
    conditions = [f"{OPEN} < %(max_open)s"] if limits.max_open else []
    if limits.per_minute:
        return insert_statement(take_statement(IS_NEW, *conditions))
    return insert_statement(f"SELECT WHERE {conditions[0]}" if conditions else "")


def refuse(connection: Connection, limits: OrderLimits, values: Mapping[str, object]) -> None:
    """Says why a new order was not stored; returns where it was, by a call whose answer was lost.

    Raises:
        TooManyOpenOrders, RateLimited: the limit that it is beyond.
    """
    stored = "SELECT FROM orders WHERE id = %(id)s AND user_id = %(owner)s"
    if connection.execute(stored, values).fetchone() is not None:
        return
    if limits.max_open:
        row = connection.execute(f"SELECT {OPEN} AS open", values).fetchone()
        if row is not None and row["open"] >= limits.max_open:
            raise TooManyOpenOrders(limits.max_open)
    raise _rate_limited(connection, values)


def _rate_limited(connection: Connection, values: Mapping[str, object]) -> RateLimited:
    row = connection.execute(WAIT, values).fetchone()
    return RateLimited(max(1, math.ceil(row["seconds"])) if row else 1)


class PostgresAllowances:
    """`Allowances` on Postgres."""

    def __init__(self, database: Database, limits: OrderLimits) -> None:
        self._database = database
        self._limits = limits

    def take(self, owner: Owner) -> None:
        if not self._limits.per_minute:
            return
        values = {"owner": owner.subject, "per_minute": self._limits.per_minute}

        def take(connection: Connection) -> RateLimited | None:
            taken = connection.execute(take_statement(), values).fetchone()
            return None if taken is not None else _rate_limited(connection, values)

        refusal = self._database.run(take)
        if refusal is not None:
            raise refusal
