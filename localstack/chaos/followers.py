"""WebSocket clients that write down what they see.

A follower never leaves an open connection because it is silent: a real client would not either, and coming back would
hide a status that was never sent. It comes back, behind the last status that it has, only where the connection ended.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum

from localstack.chaos.records import Connection, Frame, Transcript
from order_engine import OVER, Client, Event, OrderEngineError, Stream

_PAUSE_SECONDS = 0.3
_LEAVE_AFTER_SECONDS = 1.5


class Style(StrEnum):
    """When a follower comes, and whether it stays."""

    EARLY = "early"
    LATE = "late"
    RESTLESS = "restless"
    FORGETFUL = "forgetful"
    LEAVING = "leaving"


@dataclass(frozen=True)
class FollowerPlan:
    """How one follower behaves. `breaks` are the numbers of statuses after which it drops its connection."""

    style: Style
    delay: float = 0.0
    breaks: tuple[int, ...] = ()
    # Comes back from the very beginning instead of behind what it has.
    forgets: bool = False
    stays: bool = True
    # Listens on for so many seconds: nothing may follow the end.
    lingers: float = 0.0


def plan_follower(style: Style, chance: random.Random, horizon: float) -> FollowerPlan:
    """A follower of this style; `horizon` is about how many seconds an order takes."""
    match style:
        case Style.EARLY:
            return FollowerPlan(style, lingers=1.0)
        case Style.LATE:
            return FollowerPlan(style, delay=chance.uniform(0, horizon))
        case Style.RESTLESS:
            breaks = tuple(chance.randint(1, 2) for _ in range(chance.randint(1, 4)))
            return FollowerPlan(style, delay=chance.uniform(0, horizon / 4), breaks=breaks)
        case Style.FORGETFUL:
            return FollowerPlan(style, breaks=(chance.randint(1, 3),), forgets=True)
        case Style.LEAVING:
            return FollowerPlan(style, stays=False)


class Follower:
    """Follows one order to its end; `transcript` is what it saw."""

    def __init__(
        self, order_id: str, plan: FollowerPlan, name: str | None = None, hear: Callable[[Frame], None] | None = None
    ) -> None:
        self._plan = plan
        self._breaks = list(plan.breaks)
        self._hear = hear
        self.transcript = Transcript(order_id, name or str(plan.style), stays=plan.stays)

    @property
    def is_done(self) -> bool:
        """Whether it waits for nothing any more."""
        return self.transcript.has_the_end or (not self._plan.stays and bool(self.transcript.connections))

    async def run(self, client: Client, gate: asyncio.Semaphore | None = None) -> None:
        """Follows until the end has been told. `gate` lets only so many handshakes happen at once."""
        await asyncio.sleep(self._plan.delay)
        while not self.is_done:
            after = 0 if self._plan.forgets else self.transcript.last_sequence
            try:
                await self._connect(client, after, gate or asyncio.Semaphore())
            except OrderEngineError:
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _connect(self, client: Client, after: int, gate: asyncio.Semaphore) -> None:
        async with AsyncExitStack() as stack:
            async with gate:
                stream = await stack.enter_async_context(client.stream(self.transcript.order_id, after=after))
            connection = Connection(after, time.time())
            self.transcript.connections.append(connection)
            try:
                await self._listen(stream, connection, None if self._plan.stays else _LEAVE_AFTER_SECONDS)
                if self.transcript.has_the_end and self._plan.lingers:
                    await self._listen(stream, connection, self._plan.lingers)
            finally:
                connection.closed_at = time.time()
                if connection.ending == "open":
                    code = stream.close_code
                    connection.ending = "dropped" if code is None else f"closed ({code})"

    async def _listen(self, stream: Stream, connection: Connection, seconds: float | None) -> None:
        until_break = self._breaks.pop(0) if self._breaks else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for frame in stream:
                    if isinstance(frame, Event) and self._record(frame, connection):
                        return
                    if until_break is not None and len(connection.frames) >= until_break:
                        connection.ending = "dropped on purpose"
                        return

    def _record(self, event: Event, connection: Connection) -> bool:
        """Writes a status down; whether it was the end."""
        frame = Frame(event.sequence, event.status, event.attempt, time.time())
        connection.frames.append(frame)
        if self._hear is not None:
            self._hear(frame)
        if frame.status in OVER:
            connection.ending = "had the end"
            return True
        return False
