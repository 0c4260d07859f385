"""The simulated chain's ledger: one row a signature, so that a transaction lands once however often it is sent."""

from __future__ import annotations

from datetime import datetime

from psycopg.rows import DictRow

from chalicelib.adapters.postgres.pool import Connection, Database
from chalicelib.domain.order import Fill
from chalicelib.venues.ledger import Entry, Found, Outcome

# The second submission of the same bytes changes nothing, but may rescue a transaction that was dropped once.
SUBMIT = """
INSERT INTO chain_transactions AS known
    (signature, order_id, attempt, venue, outcome, reason, amount_in, amount_out, fee, lands_at, expires_at)
SELECT %(signature)s, %(order_id)s, %(attempt)s, %(venue)s, %(first_outcome)s, %(reason)s, %(amount_in)s,
       %(amount_out)s, %(fee)s, clock_timestamp() + make_interval(secs => %(lands_in)s), %(expires_at)s
WHERE clock_timestamp() < %(expires_at)s
ON CONFLICT (signature) DO UPDATE SET
    submissions = known.submissions + 1,
    outcome = CASE WHEN known.outcome = 'dropped' THEN %(outcome)s ELSE known.outcome END,
    lands_at = CASE WHEN known.outcome = 'dropped' THEN excluded.lands_at ELSE known.lands_at END
RETURNING outcome
"""

# After its last valid block a transaction never lands: the row says so from the first look on, so that a submit that
# was under way meanwhile finds the signature taken.
EXPIRE = """
INSERT INTO chain_transactions AS known (signature, order_id, attempt, venue, outcome, lands_at, expires_at)
SELECT %(signature)s, '', 0, '', 'expired', %(expires_at)s, %(expires_at)s WHERE clock_timestamp() >= %(expires_at)s
ON CONFLICT (signature) DO UPDATE SET outcome = 'expired' WHERE known.outcome = 'dropped'
"""

FIND = """
SELECT outcome, reason, amount_in, amount_out, fee, lands_at <= clock_timestamp() AS landed
FROM chain_transactions WHERE signature = %(signature)s
"""


class PostgresLedger:
    """`Ledger` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
            "expires_at": entry.expires_at,
        }
        row = self._database.run(lambda connection: connection.execute(SUBMIT, values).fetchone())
        return row is not None and row["outcome"] != Outcome.EXPIRED

    def find(self, signature: str, expires_at: datetime) -> Found | None:
        values = {"signature": signature, "expires_at": expires_at}

        def look(connection: Connection) -> Found | None:
            connection.execute(EXPIRE, values)
            row = connection.execute(FIND, values).fetchone()
            return _found(row) if row else None

        return self._database.run(look)


def _found(row: DictRow) -> Found:
    fill = None
    if row["amount_out"] is not None:
        fill = Fill(int(row["amount_in"]), int(row["amount_out"]), int(row["fee"]))
    return Found(Outcome(row["outcome"]), row["landed"], row["reason"], fill)
