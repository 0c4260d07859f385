"""WebSocket clients that follow all orders of a user and write down what they see.

As those of one order, they never leave an open connection because it is silent, and come back only where it ended: with
the newest time that they have.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from localstack.chaos.followers import Style
from localstack.chaos.records import Frame, SnapshotFrame, UserConnection, UserTranscript
from order_engine import OVER, Client, Event, OrderEngineError, Snapshot, Stream

_PAUSE_SECONDS = 0.3


@dataclass(frozen=True)
class UserFollowerPlan:
    """How one follower of a user behaves. `breaks` are the numbers of frames after which it drops its connection."""

    style: Style
    delay: float = 0.0
    # Whether it asks from the start for what happened since the run began.
    from_the_beginning: bool = False
    breaks: tuple[int, ...] = ()
    # Comes back with the time at which the run began instead of the newest that it has.
    forgets: bool = False


def plan_user_follower(style: Style, chance: random.Random, seconds: float) -> UserFollowerPlan:
    """A follower of this style; orders arrive for so many seconds."""
    match style:
        case Style.LATE:
            return UserFollowerPlan(style, delay=chance.uniform(0, seconds * 0.8), from_the_beginning=True)
        case Style.RESTLESS:
            breaks = tuple(chance.randint(1, 12) for _ in range(chance.randint(3, 8)))
            return UserFollowerPlan(style, delay=chance.uniform(0, seconds / 4), from_the_beginning=True, breaks=breaks)
        case Style.FORGETFUL:
            breaks = (chance.randint(5, 20), chance.randint(5, 40))
            return UserFollowerPlan(style, from_the_beginning=True, breaks=breaks, forgets=True)
        case _:
            # Comes at any moment, and hears from there on.
            return UserFollowerPlan(style, delay=chance.choice((0.0, chance.uniform(0, seconds / 2))))


class UserFollower:
    """Follows all orders of a user; `accepted` gives the ids of those that were placed so far."""

    def __init__(self, user_id: str, plan: UserFollowerPlan, accepted: Callable[[], Iterable[str]]) -> None:
        self._plan = plan
        self._breaks = list(plan.breaks)
        self._accepted = accepted
        self._began_at = time.time()
        self._newest: float | None = None
        self._over: set[str] = set()
        self.transcript = UserTranscript(user_id, f"{plan.style} of all")

    @property
    def is_done(self) -> bool:
        """Whether it has the end of every order that it is to hear of."""
        first = self.transcript.first_shown
        if first is None or first.shown is None:
            return False
        return all(order_id in self._over or self._is_before(order_id, first) for order_id in self._accepted())

    def _is_before(self, order_id: str, first: UserConnection) -> bool:
        """Whether the order was over before this follower came, who had asked for nothing of that."""
        if first.shown is None or first.asked_since is not None or order_id in first.shown.open:
            return False
        return int(order_id.removeprefix("ord_")[:12], 16) / 1000 < first.shown.at

    async def run(self, client: Client, gate: asyncio.Semaphore) -> None:
        """Follows until it is cancelled. `gate` lets only so many handshakes happen at once."""
        await asyncio.sleep(self._plan.delay)
        while True:
            with contextlib.suppress(OrderEngineError):
                await self._connect(client, gate)
            await asyncio.sleep(_PAUSE_SECONDS)

    def _since(self) -> float | None:
        if self._newest is None or self._plan.forgets:
            return self._began_at if self._plan.from_the_beginning else self._newest
        return self._newest

    async def _connect(self, client: Client, gate: asyncio.Semaphore) -> None:
        since = self._since()
        asked = datetime.fromtimestamp(since, UTC) if since is not None else None
        async with AsyncExitStack() as stack:
            async with gate:
                stream = await stack.enter_async_context(client.stream_of_user(self.transcript.user_id, since=asked))
            connection = UserConnection(since, time.time())
            self.transcript.connections.append(connection)
            try:
                await self._listen(stream, connection)
            finally:
                connection.closed_at = time.time()
                if connection.ending == "open":
                    code = stream.close_code
                    connection.ending = "dropped" if code is None else f"closed ({code})"

    async def _listen(self, stream: Stream, connection: UserConnection) -> None:
        until_break = self._breaks.pop(0) if self._breaks else None
        async for frame in stream:
            if isinstance(frame, Snapshot):
                shown = {order.id: order.sequence for order in frame.open}
                since = frame.since.timestamp() if frame.since is not None else None
                connection.shown = SnapshotFrame(frame.at.timestamp(), since, shown, frame.more)
                if since is None and self._newest is None:
                    # Else what happened since then is still to come.
                    self._newest = frame.at.timestamp()
            elif isinstance(frame, Event):
                self._record(frame, connection)
            if until_break is not None and len(connection.frames) >= until_break:
                connection.ending = "dropped on purpose"
                return

    def _record(self, event: Event, connection: UserConnection) -> None:
        frame = Frame(event.sequence, event.status, event.attempt, time.time())
        connection.frames.append((event.order_id, frame))
        self._newest = max(self._newest or 0.0, event.at.timestamp())
        if frame.status in OVER:
            self._over.add(event.order_id)
