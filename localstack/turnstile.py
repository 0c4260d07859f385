"""A limit on how much goes on at once that nobody waits for long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turnstile:
    """Lets so many through at once; the others wait for a place, though never longer than `patience` seconds.

    Each concurrent call starts a process of a function, which takes as much processor time as dozens of calls: a burst
    is over sooner when a few processes work it off. The patience keeps slow calls from stopping all others.
    """

    def __init__(self, places: int, patience: float) -> None:
        self._places = asyncio.Semaphore(places)
        self._patience = patience

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Holds a place, or goes on without one once it has waited long enough."""
        if not self._places.locked():
            await self._places.acquire()
            held = True
        else:
            try:
                async with asyncio.timeout(self._patience):
                    held = await self._places.acquire()
            except TimeoutError:
                held = False
        try:
            yield
        finally:
            if held:
                self._places.release()
