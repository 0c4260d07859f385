"""A limit on how much goes on at once that nobody waits for long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TooManyWaiting(Exception):
    """So many wait for a slot that one more would not be let in before its caller gave up."""


class ConcurrencyLimiter:
    """Lets so many through at once; past `patience` seconds more are let in, though only one each `interval`.

    Each concurrent call starts a process of a function, which takes as much processor time as dozens of calls: a burst
    is over sooner when a few processes work it off. The patience keeps slow calls from stopping all others; the
    interval keeps a slow start of those few from letting the whole burst in at once. At most `queue` wait.
    """

    def __init__(self, slots: int, patience: float, interval: float, queue: int = 512) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._patience = patience
        self._interval = interval
        self._past_patience = asyncio.Lock()
        self._queue = queue
        self._waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Holds a slot, or goes on without one once it has waited long enough. Raises `TooManyWaiting`."""
        held = not self._slots.locked() and await self._slots.acquire()
        if not held:
            if self._waiting >= self._queue:
                raise TooManyWaiting
            self._waiting += 1
            try:
                held = await self._wait(self._patience)
                if not held:
                    async with self._past_patience:
                        held = await self._wait(self._interval)
            finally:
                self._waiting -= 1
        try:
            yield
        finally:
            if held:
                self._slots.release()

    async def _wait(self, seconds: float) -> bool:
        """Whether a slot was free in time."""
        try:
            async with asyncio.timeout(seconds):
                return await self._slots.acquire()
        except TimeoutError:
            return False
