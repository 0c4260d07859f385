"""Killing at a named point, and measuring how long it takes until somebody goes on."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from psycopg.rows import class_row

from localstack.chaos.evidence import connect

_POLL_SECONDS = 0.005
_LOOK_SECONDS = 0.1

# What any worker that goes on changes at once: the lease with its claim, the attention with the news of the end.
STATE = """
SELECT id, concat_ws('/', lease_token, sequence, attention_at) AS progress, status, sequence, attempt, signature,
       lease_expires_at, clock_timestamp() AS seen_at
FROM orders WHERE id = ANY(%s)
"""


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


async def wait_for_crash(directory: Path, point: str, seconds: float) -> float:
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


@dataclass(frozen=True)
class OrderState:
    """Where an order stood at a moment by the database's clock; `progress` changes as soon as anybody goes on."""

    id: str
    progress: str
    status: str
    sequence: int
    attempt: int
    signature: str | None
    lease_expires_at: datetime | None
    seen_at: datetime


@dataclass(frozen=True)
class Recovery:
    """The order as the dead worker left it, and as it was when another one went on."""

    left: OrderState
    resumed: OrderState

    @property
    def kept_the_lease(self) -> bool:
        """Whether nobody touched the order while the dead worker might still have been alive."""
        return self.left.lease_expires_at is None or self.resumed.seen_at > self.left.lease_expires_at

    def delay_seconds(self, kill: Kill) -> float:
        """How long nobody went on although somebody could: after the lease's end, or the death where it held none."""
        could_at = self.left.lease_expires_at.timestamp() if self.left.lease_expires_at else kill.at
        return self.resumed.seen_at.timestamp() - could_at


class RecoveryWatch:
    """Looks at orders whose worker was killed, and notes when another one goes on with each."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._left: dict[str, OrderState] = {}
        self._kills: dict[str, Kill] = {}
        self.recoveries: dict[Kill, Recovery] = {}

    async def look(self, order_id: str) -> OrderState:
        """Where the order stands now."""
        [state] = await asyncio.to_thread(self._read, [order_id])
        return state

    def add(self, kill: Kill, left: OrderState) -> None:
        """From now on the order is watched, as it was left."""
        self._left[kill.order_id] = left
        self._kills[kill.order_id] = kill

    @property
    def waiting(self) -> list[str]:
        """The orders that nobody was seen to go on with yet."""
        return [order_id for order_id, kill in self._kills.items() if kill not in self.recoveries]

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            for state in await asyncio.to_thread(self._read, self.waiting):
                left = self._left[state.id]
                if state.progress != left.progress:
                    self.recoveries[self._kills[state.id]] = Recovery(left, state)
            await asyncio.sleep(_LOOK_SECONDS)

    def _read(self, order_ids: list[str]) -> list[OrderState]:
        with connect(self._url) as connection, connection.cursor(row_factory=class_row(OrderState)) as cursor:
            return list(cursor.execute(STATE, [order_ids]))
