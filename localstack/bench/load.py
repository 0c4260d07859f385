"""Load: orders that clients post at a server with our contract, and everything that is measured of them.

Two ways of arriving. Closed: so many connections, each of which posts its next order when the last one was answered; a
slow server is asked less often. Constant: an order every 1/rate seconds whatever the answers do, and its waiting counts
from the moment at which it should have been sent, so that a server that stands still shows as one that is slow for
everybody who would have come meanwhile (coordinated omission).
"""

import asyncio
import itertools
import json
import random
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TypeAlias, cast

from localstack.client.local_program import headers_of, token_of
from order_engine import (
    OVER,
    STEPS,
    Client,
    Event,
    NewOrder,
    OrderEngineError,
    Patience,
    Placed,
    StreamLost,
    StreamRefused,
)
from order_engine.cli.program import subject_of

_POLL_SECONDS = 0.2
_OPEN = STEPS[:-1]  # of market orders
_PAGE = "200"
_BUSY = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
# So many orders' events are read for what their time went to; reading all would be a load of its own.
_SAMPLED_ORDERS = 60
# As many streams as a client of ours has open at most: the next order waits, where each is followed. A server takes
# some number of sockets (the front door a thousand), and more would only measure how it refuses them.
_STREAMS = 500
SEED = 15

Progress: TypeAlias = Callable[[int, int], None]
JsonObject: TypeAlias = Mapping[str, object]


def _ignore(_done: int, _of: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Workload:
    """What is posted: `rate` orders a second where it is given, else over `connections` as fast as they are answered.

    `followed` orders, spread evenly over all, get a WebSocket as soon as they are accepted. `one_by_one` posts the next
    only when the last has ended.
    """

    orders: int
    connections: int = 16
    followed: int = 0
    rate: float | None = None
    one_by_one: bool = False

    def is_followed(self, number: int) -> bool:
        """Whether the order with this number, from 0, is one of the followed."""
        return (number + 1) * self.followed // self.orders > number * self.followed // self.orders

    def scaled(self, scale: float) -> "Workload":
        """As many times as large, the smallest being one order."""
        orders = max(round(self.orders * scale), 1)
        followed = min(max(round(self.followed * scale), 1), orders) if self.followed else 0
        return Workload(orders, self.connections, followed, self.rate, self.one_by_one)


@dataclass(slots=True)
class Samples:
    """Every measured value, in seconds; `ended_at` and `posted_at` from the beginning of the load."""

    posts: list[float] = field(default_factory=list)  # from when an order should have been sent until it was accepted
    frames: list[float] = field(default_factory=list)  # from a status's commit until a follower had it
    orders: list[float] = field(default_factory=list)  # from when an order should have been sent until it had ended
    posted_at: list[float] = field(default_factory=list)
    ended_at: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)  # in each status, of some orders
    ends: dict[str, int] = field(default_factory=dict)
    refused: int = 0  # handshakes that were tried again
    posted: float = 0.0  # until the last was accepted
    over: float = 0.0  # until the last had ended


class _NotOpened(Exception):
    """A handshake got no answer in time."""


class Load:
    """One run with a user of its own, so that the history tells how its orders stand."""

    def __init__(self, client: Client, workload: Workload, user: str, *, progress: Progress = _ignore) -> None:
        self.client, self.workload, self.user = client, workload, user
        self.samples = Samples()
        self._progress = progress
        self._chance = random.Random(SEED)
        self._due: dict[str, float] = {}  # when each order should have been sent, by the wall clock
        self._next = 0
        self._ended: dict[str, list[JsonObject]] = {}
        self._followers: list[asyncio.Task[None]] = []
        self._streams = asyncio.Semaphore(_STREAMS)

    async def run(self, seconds: float) -> Samples:
        """Posts all, waits for their ends and for the followers' last frames.

        Raises TimeoutError where that takes longer, StreamLost where a stream breaks, and what `Client.place` raises.
        """
        start, began = time.monotonic(), time.time()
        try:
            async with asyncio.timeout(seconds):
                await self._post_all(start)
                self.samples.posted = time.monotonic() - start
                await self._wait_for_ends()
                self.samples.over = time.monotonic() - start
                await asyncio.gather(*self._followers)
                await self._read_history(began)
        finally:
            for each in self._followers:
                each.cancel()
        return self.samples

    async def _post_all(self, start: float) -> None:
        if self.workload.rate is None:
            await _run_all(self._post_some(start) for _ in range(self.workload.connections))
            return
        await _run_all(
            self._post_at(number, start, start + number / self.workload.rate) for number in range(self.workload.orders)
        )

    async def _post_some(self, start: float) -> None:
        while self._next < self.workload.orders:
            number = self._next
            self._next += 1
            if self.workload.is_followed(number):
                await self._streams.acquire()
            await self._post(number, start, time.monotonic())
            if self.workload.one_by_one:
                await self._wait_for_ends(number + 1)

    async def _post_at(self, number: int, start: float, due: float) -> None:
        await asyncio.sleep(max(due - time.monotonic(), 0))
        if self.workload.is_followed(number):
            await self._streams.acquire()
        await self._post(number, start, due)

    def _order(self) -> NewOrder:
        sells = self._chance.random() < 0.5
        return NewOrder(
            user_id=self.user,
            wallet_address="wallet_bench",
            input_token="SOL" if sells else "USDC",
            output_token="USDC" if sells else "SOL",
            amount=f"{self._chance.uniform(1, 5) * (1 if sells else 100):.2f}",
            side="sell",
        )

    async def _post(self, number: int, start: float, due: float) -> None:
        due_at = time.time() - (time.monotonic() - due)
        placed = await self.client.place(self._order())
        answered = time.monotonic()
        self.samples.posts.append(answered - due)
        self.samples.posted_at.append(answered - start)
        self._due[placed.order_id] = due_at
        self._progress(len(self.samples.posts), self.workload.orders)
        if self.workload.is_followed(number):
            self._followers.append(asyncio.create_task(self._follow(placed)))

    async def _follow(self, placed: Placed) -> None:
        """Follows to the end; a server that is too busy for the handshake is asked again, as clients do."""
        try:
            while True:
                try:
                    await self._watch(placed)
                except (StreamRefused, _NotOpened) as refused:
                    if isinstance(refused, StreamRefused) and refused.status not in _BUSY:
                        raise
                    self.samples.refused += 1
                    await asyncio.sleep(_POLL_SECONDS)
                else:
                    return
        finally:
            self._streams.release()

    async def _watch(self, placed: Placed) -> None:
        """Times live statuses only: those that were committed after the socket was open."""
        opened: float | None = None
        try:
            async with self.client.stream(placed.order_id, url=placed.websocket_url) as stream:
                opened = time.time()
                async for frame in stream:
                    if not isinstance(frame, Event):
                        continue
                    committed = frame.at.timestamp()
                    if committed > opened:
                        self.samples.frames.append(time.time() - committed)
                    if frame.is_last:
                        return
        except StreamLost as error:
            if opened is None:
                raise _NotOpened from error
            raise
        raise StreamLost(f"The stream of {placed.order_id} ended before its order: run it again.")

    async def _wait_for_ends(self, expected: int | None = None) -> None:
        """Looks for one open order at a time, which costs the server little; counts once there is none."""
        expected = expected or self.workload.orders
        while True:
            if not await self._one_is_open():
                ended = {status: await self._orders(status) for status in sorted(OVER)}
                if sum(map(len, ended.values())) >= expected:
                    self._ended = ended
                    return
            await asyncio.sleep(_POLL_SECONDS)

    async def _one_is_open(self) -> bool:
        for status in _OPEN:
            if _list_of_objects(await self._read("/api/orders", userId=self.user, status=status, limit="1"), "orders"):
                return True
        return False

    async def _orders(self, status: str) -> list[JsonObject]:
        found: list[JsonObject] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self._read("/api/orders", userId=self.user, status=status, limit=_PAGE, **cursor)
            found += _list_of_objects(page, "orders")
            if page.get("nextCursor") is None:
                return found
            cursor = {"cursor": str(page["nextCursor"])}

    async def _read_history(self, began: float) -> None:
        """What the history says of the orders: when each ended, and what some of them spent their time on."""
        samples = self.samples
        samples.ends = {status: len(orders) for status, orders in self._ended.items() if orders}
        for order in itertools.chain.from_iterable(self._ended.values()):
            due = self._due.get(str(order["orderId"]))
            if due is not None:
                ended = _moment(order["updatedAt"])
                samples.orders.append(ended - due)
                samples.ended_at.append(ended - began)
        samples.ended_at.sort()
        ids = list(self._due)
        for order_id in ids[:: max(len(ids) // _SAMPLED_ORDERS, 1)]:
            events = _list_of_objects(await self._read(f"/api/orders/{order_id}/events"), "events")
            for event, following in itertools.pairwise(events):
                seconds = _moment(following["at"]) - _moment(event["at"])
                samples.stages.setdefault(str(event["status"]), []).append(seconds)

    async def _read(self, path: str, **query: str) -> JsonObject:
        return cast("JsonObject", json.loads((await self.client.request("GET", path, query=query)).text))


async def _run_all(parts: Iterable[Coroutine[object, object, None]]) -> None:
    """All at once; the first failure ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except* OrderEngineError as failures:
        first: BaseException = failures
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


def _list_of_objects(answer: JsonObject, name: str) -> list[JsonObject]:
    found = answer.get(name)
    return cast("list[JsonObject]", found) if isinstance(found, list) else []


def _moment(value: object) -> float:
    return datetime.fromisoformat(str(value)).timestamp()


async def measure(url: str, workload: Workload, seconds: float, progress: Progress = _ignore) -> Samples:
    """One load at that address, over connections of its own. Raises as `Load.run`."""
    # An order that is sent again would be measured twice.
    user = f"bench-{uuid.uuid4()}"
    token = token_of(url, user)
    user = subject_of(token) or user
    async with Client(url, token=token, patience=Patience(tries=1), headers=headers_of(url)) as client:
        return await Load(client, workload, user, progress=progress).run(seconds)
