"""How long an order is silent before another worker takes it over."""

import time

from localstack.chaos.evidence import connect

HELD = "SELECT id, lease_token, lease_expires_at FROM orders WHERE lease_token IS NOT NULL"


class TakeoverWatch:
    """Samples who holds which order, and knows how long an order was silent before somebody else took it over."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        # Of each order the token, its expiry, and when either was last seen to change.
        self._held: dict[str, tuple[str, str, float]] = {}
        self.slowest = 0.0

    def sample(self) -> None:
        """Looks once. Raises psycopg.OperationalError where the database does not answer."""
        now = time.time()
        with connect(self._url) as connection:
            rows = connection.execute(HELD).fetchall()
        for row in rows:
            order_id, token, expiry = (str(column) for column in row)
            known = self._held.get(order_id)
            if known is not None and known[0] != token:
                self.slowest = max(self.slowest, now - known[2])
            if known is None or known[:2] != (token, expiry):
                self._held[order_id] = (token, expiry, now)
