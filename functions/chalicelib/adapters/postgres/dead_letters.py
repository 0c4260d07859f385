"""Messages that no worker could process, kept for a post-mortem."""

from __future__ import annotations

from chalicelib.adapters.postgres.pool import Database

KEEP = """
INSERT INTO dead_letters (message_id, order_id, body, receive_count, verdict)
VALUES (%(message_id)s, %(order_id)s, %(body)s, %(receive_count)s, %(verdict)s)
ON CONFLICT (message_id) DO UPDATE SET verdict = excluded.verdict, arrived_at = now()
"""


class PostgresDeadLetters:
    """The dead-letter archive."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, message_id: str, order_id: str | None, body: str, receive_count: int, outcome: str) -> None:
        """Archives a message with what was decided about it. Raises `Unavailable`."""
        values = {
            "message_id": message_id,
            "order_id": order_id,
            "body": body.replace("\x00", "\ufffd"),
            "receive_count": receive_count,
            "verdict": outcome,
        }
        self._database.run(lambda connection: connection.execute(KEEP, values))
