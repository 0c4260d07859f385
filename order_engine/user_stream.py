"""Following all orders of a user over any number of connections: what was told, and what a break swallowed."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from order_engine import errors
from order_engine.models import Event, Snapshot

if TYPE_CHECKING:
    from order_engine.client import Client

# Waits before the next try, or raises where it is for nothing; takes the failure, the number of tries since something
# was heard, and when that was.
Pausing: TypeAlias = Callable[[errors.OrderEngineError, int, float], Awaitable[None]]
# What is over is remembered for this many orders: it may be told again for a minute.
_REMEMBERED: Final = 10_000


class FollowedUser:
    """What is known of a user's orders."""

    def __init__(self, client: Client, user_id: str, since: datetime | None) -> None:
        self._client = client
        self._user_id = user_id
        self._asked_since = since
        self.newest = since
        self._told: dict[str, int] = {}
        self._shown: dict[str, int] = {}
        self._open: set[str] = set()
        self._is_first = True

    async def frames(self) -> AsyncGenerator[Snapshot | Event | None]:
        """What one connection brings and is new; None where something else was heard."""
        async with self._client.stream_of_user(self._user_id, since=self.newest) as stream:
            async for frame in stream:
                match frame:
                    case Snapshot():
                        async for event in self._missed(frame):
                            yield event
                        self._note_snapshot(frame)
                        yield frame
                    case Event():
                        async for event in self._up_to(frame):
                            yield event
                    case _:
                        yield None

    async def _missed(self, snapshot: Snapshot) -> AsyncIterator[Event]:
        """What happened while nobody was connected, as far as the stream does not tell it by itself.

        It tells a minute more than was asked for, and no more than the newest statuses. So what is known as open is
        compared with the snapshot, and where not everything will come, what was placed meanwhile is looked for.
        """
        if self._is_first:
            return
        stand = {order.id: order.sequence for order in snapshot.open}
        for order_id in sorted(self._open):
            if stand.get(order_id, 0) > self._last(order_id) or (order_id not in stand):
                async for event in self._behind(order_id):
                    yield event
        if snapshot.since is not None and self.newest is not None and snapshot.since > self.newest:
            async for order in self._client.orders(user_id=self._user_id, placed_from=self.newest):
                if order.id not in self._told and order.id not in self._shown:
                    async for event in self._behind(order.id):
                        yield event

    def _note_snapshot(self, snapshot: Snapshot) -> None:
        self._is_first = False
        if self.newest is None:  # else what happened since is still to come, and a break would swallow it
            self.newest = snapshot.at
        for order in snapshot.open:
            self._shown[order.id] = max(self._shown.get(order.id, 0), order.sequence)
            self._open.add(order.id)

    async def _up_to(self, event: Event) -> AsyncIterator[Event]:
        """The event, and before it what is missing."""
        order_id, last = event.order_id, self._last(event.order_id)
        is_older = order_id not in self._told and event.sequence <= last
        if is_older and self._asked_since is not None and event.at >= self._asked_since:
            pass  # of the time that was asked for, before the snapshot
        elif event.sequence <= last:
            return
        elif last and event.sequence > last + 1:
            async for missing in self._behind(order_id, until=event.sequence):
                yield missing
        self._note(event)
        yield event

    async def _behind(self, order_id: str, until: int | None = None) -> AsyncIterator[Event]:
        try:
            events = await self._client.events(order_id)
        except errors.NotFound:
            self._open.discard(order_id)
            return
        for event in events:
            if event.sequence > self._last(order_id) and (until is None or event.sequence < until):
                self._note(event)
                yield event

    def _last(self, order_id: str) -> int:
        return self._told.get(order_id, self._shown.get(order_id, 0))

    def _note(self, event: Event) -> None:
        self.newest = max(self.newest or event.at, event.at)
        self._told.pop(event.order_id, None)  # to the end: the longest unheard of are forgotten first
        self._told[event.order_id] = event.sequence
        if not event.is_last:
            self._open.add(event.order_id)
            return
        self._open.discard(event.order_id)
        self._shown.pop(event.order_id, None)
        for order_id in list(self._told)[: max(len(self._told) - _REMEMBERED, 0)]:
            if order_id not in self._open:
                del self._told[order_id]


async def follow_user(
    client: Client, user_id: str, since: datetime | None, pause: Pausing
) -> AsyncGenerator[Snapshot | Event]:
    """`Client.follow_user`."""
    followed, number, heard = FollowedUser(client, user_id, since), 0, time.monotonic()
    while True:
        try:
            async with aclosing(followed.frames()) as frames:
                async for frame in frames:
                    heard = time.monotonic()
                    if frame is not None:
                        number = 0
                        yield frame
            failure: errors.OrderEngineError = errors.StreamLost("the stream was closed")
        except errors.OrderEngineError as error:
            failure = error
        await pause(failure, number, heard)
        number += 1
