"""Heartbeats: three a minute to whoever follows an order, whatever becomes of single connections."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from chalicelib.domain.errors import Unavailable
from chalicelib.handlers.heartbeat import parse_beat
from chalicelib.ports.followers import Delivery, Follower
from chalicelib.services.heartbeat import BEATS_A_MINUTE, FIRST, INTERVAL_SECONDS, HeartbeatPorts, send_heartbeats
from tests.fakes import FakeClock, MemoryFollowers, MemoryNotifier, RecordingTelemetry
from tests.unit.http.specification import check_frame


class Connections(MemoryFollowers):
    """Followers that can be listed."""

    def sessions(self) -> Mapping[str, datetime | None]:
        self._reach()
        return {row.connection_id: row.session_ends_at for row in self.rows.values()}


class Body:
    """The ports and the parts that tests look at."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.clock = FakeClock()
        self.connections = Connections()
        self.notifier = MemoryNotifier(self.clock)
        self.telemetry = RecordingTelemetry()
        self.scheduled: list[int] = []
        self.queue_is_down = False
        self.ports = HeartbeatPorts(
            self.connections, self.notifier, self.clock, self.telemetry, self.schedule_next, threads
        )

    def schedule_next(self, number: int) -> None:
        if self.queue_is_down:
            raise Unavailable("The queue is down.")
        self.scheduled.append(number)

    def follow(self, order_id: str, connection_id: str, session_ends_at: datetime | None = None) -> None:
        self.connections.add(Follower(order_id, connection_id, 0, self.clock.now(), session_ends_at=session_ends_at))


@pytest.fixture
def body() -> Iterator[Body]:
    with ThreadPoolExecutor(4) as threads:
        yield Body(threads)


def test_every_connection_hears_one_beat_however_many_orders_it_follows(body: Body) -> None:
    for order_id, connection_id in [("a", "1"), ("b", "1"), ("a", "2")]:
        body.follow(order_id, connection_id)
    assert send_heartbeats(FIRST, body.ports) == 2
    assert body.notifier.frames == {
        "1": [{"type": "heartbeat", "at": "2026-11-22T18:00:00.000Z"}],
        "2": [{"type": "heartbeat", "at": "2026-11-22T18:00:00.000Z"}],
    }


def test_each_beat_of_a_minute_schedules_the_next_and_the_last_none(body: Body) -> None:
    for number in range(FIRST, BEATS_A_MINUTE + 1):
        send_heartbeats(number, body.ports)
    assert body.scheduled == [2, 3]


def test_the_beats_of_a_minute_leave_no_longer_silence_than_is_promised() -> None:
    assert BEATS_A_MINUTE * INTERVAL_SECONDS == 60
    assert INTERVAL_SECONDS <= 30 - 5  # schedule, queue, function and posts take some seconds


def test_an_outage_costs_a_beat_and_no_more(body: Body) -> None:
    body.follow("a", "1")
    body.queue_is_down = True
    assert send_heartbeats(FIRST, body.ports) == 1
    body.connections.outage = True
    assert send_heartbeats(BEATS_A_MINUTE, body.ports) == 0
    assert {line.event for line in body.telemetry.warnings} == {"heartbeat_not_scheduled", "heartbeat_skipped"}


def test_what_a_lost_connection_left_behind_is_removed(body: Body) -> None:
    body.follow("a", "gone")
    body.follow("b", "gone")
    body.follow("a", "busy")
    body.clock.advance(31)
    body.follow("c", "gone")
    body.follow("a", "still-connecting")
    body.notifier.gone |= {"gone", "still-connecting"}
    body.notifier.refusals["busy"] = [Delivery.BUSY]
    assert send_heartbeats(FIRST, body.ports) == 0
    assert set(body.connections.rows) == {("c", "gone"), ("a", "still-connecting"), ("a", "busy")}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ('{"beat": 1}', FIRST),
        ('{"beat": 2}', 2),
        ('{"beat": 4}', FIRST),
        ('{"source": "aws.events"}', FIRST),
        ("", FIRST),
        ("[]", FIRST),
    ],
)
def test_whatever_the_schedule_sends_is_a_first_beat(text: str, number: int) -> None:
    assert parse_beat(text) == number


def test_a_connection_whose_session_is_over_is_told_so_and_closed(body: Body) -> None:
    now = body.clock.now()
    body.follow("a", "over", now)
    body.follow("a", "soon", now + timedelta(seconds=1))
    assert send_heartbeats(FIRST, body.ports) == 2
    assert body.notifier.closed == ["over"]
    (told,) = body.notifier.frames["over"]
    assert (told["type"], told["code"]) == ("error", "session_over")
    check_frame(told)
    assert [frame["type"] for frame in body.notifier.frames["soon"]] == ["heartbeat"]
