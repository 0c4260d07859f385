"""All orders of a user, through breaks of the stream."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from order_engine import Client, Event, Patience, Snapshot, StreamLost, StreamRefused
from tests.fakes.service import HOST, order

START = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ("pending", "routing", "building", "submitted", "confirmed")


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000Z"


def status(order_id: str, sequence: int, second: int = 0) -> dict[str, Any]:
    """A frame."""
    return {
        "type": "status",
        "orderId": order_id,
        "sequence": sequence,
        "status": STATUSES[sequence - 1],
        "attempt": 1,
        "at": at(second or sequence),
        "message": f"Message {sequence}.",
        "meta": {},
    }


def snapshot(*shown: tuple[str, int], more: bool = False, since: str | None = None) -> dict[str, Any]:
    """A frame."""
    views = [order(STATUSES[sequence - 1], id=name, orderId=name, sequence=sequence) for name, sequence in shown]
    return {"type": "snapshot", "userId": "ann", "at": at(1), "since": since, "open": views, "more": more}


@dataclass
class Scripted:
    """A service whose streams say what is written here, one after the other, and then break off."""

    streams: list[Sequence[dict[str, Any]] | int | web.Response]
    histories: dict[str, int] = field(default_factory=dict)
    placed: list[str] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    url: str = ""

    async def ticket(self, request: web.Request) -> web.StreamResponse:
        assert await request.json() == {"userId": "ann"}
        stream = f"{self.url.replace('http', 'ws')}/stream?userId=ann&ticket=t"
        made = {"ticket": "t", "websocketUrl": stream, "expiresAt": at(9)}
        return web.json_response(made, status=201)

    async def events(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["id"]
        self.read.append(name)
        events = [status(name, sequence) for sequence in range(1, self.histories[name] + 1)]
        return web.json_response({"orderId": name, "events": events})

    async def orders(self, request: web.Request) -> web.StreamResponse:
        assert request.query["userId"] == "ann"
        views = [order(id=name, orderId=name) for name in self.placed]
        return web.json_response({"orders": views, "nextCursor": None})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        frames = self.streams.pop(0) if self.streams else ()
        if isinstance(frames, int):
            return web.Response(status=frames)
        if isinstance(frames, web.Response):
            return frames
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for frame in frames:
            await socket.send_json(frame)
        if self.streams:
            await socket.close()
        else:
            await socket.receive()
        return socket


@asynccontextmanager
async def followed(scripted: Scripted, follow_seconds: float = 60) -> AsyncIterator[Client]:
    app = web.Application()
    app.router.add_post("/api/stream-tickets", scripted.ticket)
    app.router.add_get("/api/orders/{id}/events", scripted.events)
    app.router.add_get("/api/orders", scripted.orders)
    app.router.add_get("/stream", scripted.stream)
    async with TestServer(app, host=HOST) as server:
        scripted.url = f"http://{HOST}:{server.port}"
        async with Client(
            scripted.url, patience=Patience(first_pause_seconds=0.01, follow_seconds=follow_seconds)
        ) as client:
            yield client


async def told(
    scripted: Scripted, until: tuple[str, int], since: datetime | None = None
) -> tuple[list[tuple[str, int]], int]:
    """What came, in order, until this came; and how many snapshots."""
    came: list[tuple[str, int]] = []
    snapshots = 0
    async with followed(scripted) as client, aclosing(client.follow_user("ann", since=since)) as following:
        async for frame in following:
            if isinstance(frame, Snapshot):
                snapshots += 1
                continue
            assert isinstance(frame, Event)
            came.append((frame.order_id, frame.sequence))
            if came[-1] == until:
                break
    return came, snapshots


async def test_a_stream_is_told_as_it_comes() -> None:
    scripted = Scripted(
        [[snapshot(("a", 2)), status("a", 3), {"type": "heartbeat", "at": at(3)}, status("b", 1), status("a", 4)]]
    )
    came, snapshots = await told(scripted, ("a", 4))
    assert (came, snapshots) == ([("a", 3), ("b", 1), ("a", 4)], 1)
    assert scripted.queries == [{"ticket": "t", "userId": "ann"}]


async def test_after_a_break_it_comes_back_with_the_newest_time_and_tells_each_status_once() -> None:
    scripted = Scripted(
        [
            [snapshot(), status("a", 1, 5), status("b", 1, 7), status("a", 2, 6)],
            503,
            [snapshot(("b", 2)), status("a", 2, 6), status("b", 1, 7), status("b", 2, 8), status("b", 3, 9)],
        ],
        histories={"a": 2, "b": 2},
    )
    came, snapshots = await told(scripted, ("b", 3))
    assert came == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("b", 3)]
    assert snapshots == 2
    assert [query.get("since", "")[:19] for query in scripted.queries] == ["", *["2026-01-01T00:00:07"] * 2]


async def test_a_break_amid_what_happened_since_loses_nothing_of_it() -> None:
    """The snapshot's time is later than all that is still to come behind it."""
    first = [snapshot(since=at(1)), status("a", 1, 2), status("a", 2, 3)]
    again = [snapshot(since=at(1)), *(status("a", sequence, sequence + 1) for sequence in range(1, 6))]
    first[0]["at"] = again[0]["at"] = at(50)
    scripted = Scripted([first[:1], first, [*again, status("b", 1, 51)]], histories={"a": 5})
    came, _ = await told(scripted, ("b", 1), since=START.replace(second=1))
    assert came == [*(("a", sequence) for sequence in range(1, 6)), ("b", 1)]
    assert [query["since"][17:19] for query in scripted.queries] == ["01", "01", "03"]


async def test_what_a_break_swallowed_is_read() -> None:
    """Both moved while nobody was connected, longer ago than the stream tells by itself: one ended, one goes on."""
    scripted = Scripted(
        [[snapshot(), status("a", 1), status("b", 1)], [snapshot(("b", 3)), status("b", 4), status("b", 5)]],
        histories={"a": 5, "b": 3},
    )
    came, _ = await told(scripted, ("b", 5))
    assert [sequence for name, sequence in came if name == "a"] == [1, 2, 3, 4, 5]
    assert [sequence for name, sequence in came if name == "b"] == [1, 2, 3, 4, 5]


async def test_what_was_placed_in_a_break_is_looked_for_where_the_stream_does_not_go_back_so_far() -> None:
    scripted = Scripted(
        [[snapshot(), status("a", 5, 5)], [snapshot(since=at(40)), status("c", 1, 41)]],
        histories={"b": 5},
        placed=["b", "a"],
    )
    came, _ = await told(scripted, ("c", 1))
    assert came == [("a", 5), *(("b", sequence) for sequence in range(1, 6)), ("c", 1)]
    assert scripted.read == ["b"]


async def test_a_gap_within_a_stream_is_filled_first() -> None:
    scripted = Scripted([[snapshot(("a", 1)), status("a", 4), status("b", 1), status("b", 3)]], {"a": 4, "b": 3})
    came, _ = await told(scripted, ("b", 3))
    assert came == [("a", 2), ("a", 3), ("a", 4), ("b", 1), ("b", 2), ("b", 3)]


async def test_with_a_time_what_happened_since_comes_although_the_snapshot_shows_more() -> None:
    frames = [snapshot(("a", 3), since=at(0)), *(status("a", sequence) for sequence in (1, 2, 3, 4))]
    came, _ = await told(Scripted([frames]), ("a", 4), since=START.replace(second=2))
    assert came == [("a", 2), ("a", 3), ("a", 4)]


@pytest.mark.parametrize(
    ("status", "body", "said", "code"),
    [
        (
            429,
            '{"code": "too_many_followers", "title": "Too many", "detail": "20 connections follow this user already."}',
            "(429 Too Many Requests): 20 connections follow this user already.",
            "too_many_followers",
        ),
        (503, '{"title": "Service Unavailable"}', "(503 Service Unavailable)", ""),
        (403, '{"message": "Missing Authentication Token"}', "(403 Forbidden): Missing Authentication Token", ""),
        (502, "<html>", "(502 Bad Gateway)", ""),
        (500, "[1]", "(500 Internal Server Error)", ""),
        (500, "\udcff", "(500 Internal Server Error)", ""),
        (200, "hello", "(200 OK)", ""),
    ],
)
async def test_a_refused_handshake_says_the_service_s_own_sentence(
    status: int, body: str, said: str, code: str
) -> None:
    scripted = Scripted([web.Response(status=status, body=body.encode(errors="surrogateescape"))])
    async with followed(scripted) as client:
        with pytest.raises(StreamRefused) as refused:
            async with client.stream_of_user("ann"):
                pytest.fail("It was opened.")
    assert str(refused.value) == f"{scripted.url} refuses the stream {said}".replace("http", "ws", 1)
    assert (refused.value.status, refused.value.code) == (status, code)


async def test_who_may_not_follow_is_told_so_and_an_outage_is_waited_for_with_a_limit() -> None:
    for answer, error in ((401, StreamRefused), (503, StreamLost)):
        scripted = Scripted([answer] * 50)
        async with followed(scripted, follow_seconds=0.2) as client, aclosing(client.follow_user("ann")) as following:
            with pytest.raises(error):
                await anext(following)
        assert (len(scripted.queries) > 1) is (answer == 503)
