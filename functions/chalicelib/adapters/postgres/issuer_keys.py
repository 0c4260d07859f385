"""Issuers' public keys: written by `store_keys`, which may write nothing else, and read by what checks tokens."""

from __future__ import annotations

from chalicelib.adapters.postgres.pool import Database
from chalicelib.ports.access import KeyDocument

READ = """
SELECT issuer, document, fetched_at FROM issuer_keys WHERE issuer = %(issuer)s
"""

# Messages overtake each other: an older document never replaces a newer one.
WRITE = """
INSERT INTO issuer_keys (issuer, document, fetched_at) VALUES (%(issuer)s, %(document)s, %(fetched_at)s)
ON CONFLICT (issuer) DO UPDATE SET document = excluded.document, fetched_at = excluded.fetched_at
WHERE issuer_keys.fetched_at <= excluded.fetched_at
"""


class PostgresIssuerKeys:
    """`KeyDocuments` on Postgres. Both raise `Unavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, issuer: str) -> KeyDocument | None:
        row = self._database.run(lambda connection: connection.execute(READ, {"issuer": issuer}).fetchone())
        return KeyDocument(row["issuer"], row["document"], row["fetched_at"]) if row else None

    def write(self, document: KeyDocument) -> None:
        """Keeps the document, unless a newer one of its issuer is there."""
        values = {"issuer": document.issuer, "document": document.text, "fetched_at": document.fetched_at}
        self._database.run(lambda connection: connection.execute(WRITE, values))
