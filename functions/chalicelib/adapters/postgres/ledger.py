"""The simulated chain's ledger: one row a signature, so that a transaction lands once however often it is sent."""

from __future__ import annotations

import time

from psycopg.rows import DictRow

from chalicelib.adapters.postgres.pool import Connection, Database
from chalicelib.chain.ledger import Entry, Found, Outcome
from chalicelib.config import BLOCK_MS
from chalicelib.domain.order import Fill

# The database's clock makes the blocks: the processes' own clocks may differ.
HEIGHT = f"floor(extract(epoch FROM clock_timestamp()) * 1000 / {BLOCK_MS})::bigint"

# The second submission of the same bytes changes nothing, but may rescue a transaction that was dropped once.
SUBMIT = f"""
INSERT INTO chain_transactions AS known
    (signature, order_id, attempt, venue, outcome, reason, amount_in, amount_out, fee, lands_at, last_valid_height)
SELECT %(signature)s, %(order_id)s, %(attempt)s, %(venue)s, %(first_outcome)s, %(reason)s, %(amount_in)s,
       %(amount_out)s, %(fee)s, clock_timestamp() + make_interval(secs => %(lands_in)s), %(last_valid_height)s
WHERE {HEIGHT} <= %(last_valid_height)s
ON CONFLICT (signature) DO UPDATE SET
    submissions = known.submissions + 1,
    outcome = CASE WHEN known.outcome = 'dropped' THEN %(outcome)s ELSE known.outcome END,
    lands_at = CASE WHEN known.outcome = 'dropped' THEN excluded.lands_at ELSE known.lands_at END
RETURNING outcome
"""

# Past its last valid block a transaction never lands: the row says so from the first look on, so that a submit that
# was under way meanwhile finds the signature taken.
EXPIRE = """
INSERT INTO chain_transactions AS known (signature, order_id, attempt, venue, outcome, lands_at, last_valid_height)
VALUES (%(signature)s, '', 0, '', 'expired', clock_timestamp(), %(last_valid_height)s)
ON CONFLICT (signature) DO UPDATE SET outcome = 'expired' WHERE known.outcome = 'dropped'
"""

FIND = f"""
SELECT height, outcome, reason, amount_in, amount_out, fee, lands_at <= clock_timestamp() AS landed
FROM (SELECT {HEIGHT} AS height) AS newest LEFT JOIN chain_transactions ON signature = %(signature)s
"""  # noqa: S608 - the height is a constant


class PostgresLedger:
    """`Ledger` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._height, self._asked_at = 0, 0

    def height(self) -> int:
        """At most a block old: the orders of a batch are built at once, and ask for it once."""
        now = time.time_ns() // 1_000_000  # a frozen container's monotonic clock may have stood still
        if not 0 <= now - self._asked_at < BLOCK_MS:
            self._height = self._database.run(lambda connection: _find(connection, {"signature": ""})).height
            self._asked_at = now
        return self._height

    def submit(self, entry: Entry) -> bool:
        values = {
            "signature": entry.signature,
            "order_id": entry.order_id,
            "attempt": entry.attempt,
            "venue": entry.venue,
            "outcome": entry.outcome,
            "first_outcome": Outcome.DROPPED if entry.dropped_once else entry.outcome,
            "reason": entry.reason,
            "amount_in": entry.fill.amount_in,
            "amount_out": entry.fill.amount_out,
            "fee": entry.fill.fee,
            "lands_in": entry.lands_in,
            "last_valid_height": entry.last_valid_height,
        }
        row = self._database.run(lambda connection: connection.execute(SUBMIT, values).fetchone())
        return row is not None and row["outcome"] != Outcome.EXPIRED

    def find(self, signature: str, last_valid_height: int) -> Found:
        values = {"signature": signature, "last_valid_height": last_valid_height}

        def look(connection: Connection) -> Found:
            found = _find(connection, values)
            if found.height > last_valid_height and found.outcome in (None, Outcome.DROPPED):
                connection.execute(EXPIRE, values)
                found = _find(connection, values)
            return found

        return self._database.run(look)


def _find(connection: Connection, values: dict[str, object]) -> Found:
    row = connection.execute(FIND, values).fetchone()
    if row is None:
        raise RuntimeError("A query that always has one row had none.")
    if row["outcome"] is None:
        return Found(height=row["height"], outcome=None)
    return Found(
        height=row["height"],
        outcome=Outcome(row["outcome"]),
        landed=row["landed"],
        reason=row["reason"],
        fill=_fill(row),
    )


def _fill(row: DictRow) -> Fill | None:
    if row["amount_out"] is None:
        return None
    return Fill(int(row["amount_in"]), int(row["amount_out"]), int(row["fee"]))
