"""Killing at a named point, and measuring how long it takes until somebody goes on."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localstack.chaos.evidence import connect

_POLL_SECONDS = 0.005
_LOOK_SECONDS = 0.1

# What any worker that goes on changes at once: the lease with its claim, the attention with the news of the end.
STATE = "SELECT id, concat_ws('/', lease_token, sequence, attention_at) FROM orders WHERE id = ANY(%s)"
HELD = "SELECT id, lease_token, lease_expires_at FROM orders WHERE lease_token IS NOT NULL"


@dataclass(frozen=True)
class Kill:
    """A process died at the point while it worked for the order."""

    point: str
    order_id: str
    at: float


class NotReached(Exception):
    """No process came to the armed point in time."""


def arm(directory: Path, point: str) -> None:
    """The next process that comes to the point dies there."""
    (directory / point).touch()


async def fired(directory: Path, point: str, seconds: float) -> float:
    """Waits until a process has died there, and gives the moment.

    Raises:
        NotReached: none did.
    """
    give_up = time.monotonic() + seconds
    while (directory / point).exists():
        if time.monotonic() > give_up:
            (directory / point).unlink(missing_ok=True)
            raise NotReached(f"No process came to {point} within {seconds:.0f} s.")
        await asyncio.sleep(_POLL_SECONDS)
    return time.time()


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


class RecoveryWatch:
    """Looks at orders whose worker was killed, and notes when another one goes on with each."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._states: dict[str, str] = {}
        self._kills: dict[str, Kill] = {}
        self.seconds: dict[Kill, float] = {}

    async def add(self, kill: Kill) -> None:
        """From now on the order is watched."""
        states = await asyncio.to_thread(self._read, [kill.order_id])
        self._states[kill.order_id] = states[kill.order_id]
        self._kills[kill.order_id] = kill

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            waiting = [order_id for order_id, kill in self._kills.items() if kill not in self.seconds]
            for order_id, state in (await asyncio.to_thread(self._read, waiting)).items():
                if state != self._states[order_id]:
                    kill = self._kills[order_id]
                    self.seconds[kill] = time.time() - kill.at
            await asyncio.sleep(_LOOK_SECONDS)

    def _read(self, order_ids: list[str]) -> Mapping[str, str]:
        with connect(self._url) as connection:
            return {str(row[0]): str(row[1]) for row in connection.execute(STATE, [order_ids])}
