"""Following all orders of a user over any number of connections, with what a break swallowed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Final

from order_engine import errors
from order_engine.models import Event, Snapshot
from order_engine.patience import Reconnection

if TYPE_CHECKING:
    from order_engine.client import Client

# A handshake that is answered so may be answered otherwise in a moment.
_TRANSIENT_STATUSES: Final = (408, 429, 500, 502, 503, 504)
# What is over is remembered for this many orders: the stream may send it again for a minute.
_REMEMBERED: Final = 10_000


class FollowedUser:
    """What is known of a user's orders."""

    def __init__(self, client: Client, user_id: str, since: datetime | None) -> None:
        self._client = client
        self._user_id = user_id
        self._asked_since = since
        self.newest = since
        self._delivered: dict[str, int] = {}
        self._in_snapshot: dict[str, int] = {}
        self._open: set[str] = set()
        self._is_first = True

    async def frames(self) -> AsyncGenerator[Snapshot | Event | None]:
        """What one connection brings and is new; None where something else was heard."""
        async with self._client.stream_of_user(self._user_id, since=self.newest) as stream:
            async for frame in stream:
                match frame:
                    case Snapshot():
                        async for event in self._read_missed(frame):
                            yield event
                        self._record_snapshot(frame)
                        yield frame
                    case Event():
                        async for event in self._with_gap_filled(frame):
                            yield event
                    case _:
                        yield None

    async def _read_missed(self, snapshot: Snapshot) -> AsyncIterator[Event]:
        """What happened while nobody was connected, as far as the stream does not bring it by itself.

        It brings a minute more than was asked for, and no more than the newest statuses. So what is known as open is
        compared with the snapshot, and where not everything will come, what was placed meanwhile is looked for.
        """
        if self._is_first:
            return
        sequences = {order.id: order.sequence for order in snapshot.open}
        for order_id in sorted(self._open):
            if sequences.get(order_id, 0) > self._last_sequence(order_id) or (order_id not in sequences):
                async for event in self._read_rest(order_id):
                    yield event
        if snapshot.since is not None and self.newest is not None and snapshot.since > self.newest:
            async for order in self._client.orders(user_id=self._user_id, placed_from=self.newest):
                if order.id not in self._delivered and order.id not in self._in_snapshot:
                    async for event in self._read_rest(order.id):
                        yield event

    def _record_snapshot(self, snapshot: Snapshot) -> None:
        self._is_first = False
        if self.newest is None:  # else what happened since is still to come, and a break would swallow it
            self.newest = snapshot.at
        for order in snapshot.open:
            self._in_snapshot[order.id] = max(self._in_snapshot.get(order.id, 0), order.sequence)
            self._open.add(order.id)

    async def _with_gap_filled(self, event: Event) -> AsyncIterator[Event]:
        """The event, and before it what is missing."""
        order_id, last = event.order_id, self._last_sequence(event.order_id)
        is_older = order_id not in self._delivered and event.sequence <= last
        if is_older and self._asked_since is not None and event.at >= self._asked_since:
            pass  # of the time that was asked for, before the snapshot
        elif event.sequence <= last:
            return
        elif last and event.sequence > last + 1:
            async for missing in self._read_rest(order_id, until=event.sequence):
                yield missing
        self._record(event)
        yield event

    async def _read_rest(self, order_id: str, until: int | None = None) -> AsyncIterator[Event]:
        try:
            events = await self._client.events(order_id)
        except errors.NotFound:
            self._open.discard(order_id)
            return
        for event in events:
            if event.sequence > self._last_sequence(order_id) and (until is None or event.sequence < until):
                self._record(event)
                yield event

    def _last_sequence(self, order_id: str) -> int:
        return self._delivered.get(order_id, self._in_snapshot.get(order_id, 0))

    def _record(self, event: Event) -> None:
        self.newest = max(self.newest or event.at, event.at)
        self._delivered.pop(event.order_id, None)  # to the end: the longest unheard of are forgotten first
        self._delivered[event.order_id] = event.sequence
        if not event.is_last:
            self._open.add(event.order_id)
            return
        self._open.discard(event.order_id)
        self._in_snapshot.pop(event.order_id, None)
        for order_id in list(self._delivered)[: max(len(self._delivered) - _REMEMBERED, 0)]:
            if order_id not in self._open:
                del self._delivered[order_id]


async def follow_user(client: Client, user_id: str, since: datetime | None) -> AsyncGenerator[Snapshot | Event]:
    """`Client.follow_user`."""
    followed = FollowedUser(client, user_id, since)
    reconnection = Reconnection(client.patience, f"There was no sign of {user_id}'s orders")
    while True:
        try:
            async with aclosing(followed.frames()) as frames:
                async for frame in frames:
                    reconnection.note(is_news=frame is not None)
                    if frame is not None:
                        yield frame
            failure: errors.OrderEngineError = errors.StreamLost("the stream was closed")
        except errors.StreamRefused as error:
            if error.status not in _TRANSIENT_STATUSES:
                raise
            failure = error
        except errors.OrderEngineError as error:
            failure = error
        await reconnection.pause(failure)
