"""The push against a management endpoint that misbehaves on the wire: 410, 429, 5xx, silence, and a table that fails.

The endpoint is a real HTTP server and the notifier the real one; what the clients saw is what the server took.
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from chalicelib.adapters.aws import websocket_client
from chalicelib.adapters.notifier import ApiGatewayNotifier
from chalicelib.domain.errors import Unavailable
from chalicelib.services.followers import HANDSHAKE_AGE, Follower
from chalicelib.services.push_status import Push, Pusher, push_status
from chalicelib.services.views import history_view
from tests.fakes import CrashAt, FakeClock, MemoryFollowers
from tests.fakes.engine import Engine
from tests.fakes.telemetry import RecordingTelemetry

SILENT_SECONDS = 3.5
# Gives the status of a post or delete, by connection and method.
Behaviour = Callable[[str, str], int]


class Endpoint:
    """Stands for `@connections`; takes what it answers with 200."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = lambda _connection, _method: 200
        self.taken: dict[str, list[int]] = defaultdict(list)
        self.closed: list[str] = []
        self.calls: dict[str, int] = defaultdict(int)
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                connection = self._connection()
                status = endpoint.behaviour(connection, "POST")
                if status == 200:
                    endpoint.taken[connection].append(json.loads(body)["sequence"])
                self._answer(status)

            def do_DELETE(self) -> None:
                connection = self._connection()
                status = endpoint.behaviour(connection, "DELETE")
                if status == 200:
                    endpoint.closed.append(connection)
                self._answer(204 if status == 200 else status)

            def _connection(self) -> str:
                name = unquote(self.path.rpartition("/")[2])
                endpoint.calls[name] += 1
                return name

            def _answer(self, status: int) -> None:
                if status == 0:
                    time.sleep(SILENT_SECONDS)
                    self.close_connection = True
                    return
                names = {410: "GoneException", 429: "LimitExceededException"}
                self.send_response(status)
                self.send_header("x-amzn-ErrorType", names.get(status, "InternalServerError"))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/api/live"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


class Stream:
    """A finished order, its followers, and the queue to which pushes come back."""

    def __init__(self, endpoint: Endpoint, notifier: ApiGatewayNotifier, threads: ThreadPoolExecutor) -> None:
        self.endpoint = endpoint
        self.engine = Engine()
        self.followers = MemoryFollowers()
        self.queue: list[Push] = []
        self.order_id = self.engine.place().id
        self.engine.run(self.order_id)
        self.pusher = Pusher(
            self.followers, notifier, self.clock, self.engine.telemetry, CrashAt(), self.queue.append, threads
        )

    @property
    def clock(self) -> FakeClock:
        return self.engine.clock

    def follow(self, *names: str, age: float = 60) -> None:
        at = self.clock.now() - timedelta(seconds=age)
        for name in names:
            self.followers.add(Follower(self.order_id, name, 0, at))

    def history(self, sequence: int = 5) -> Push:
        sent = next(sent for sent in self.engine.events.sent if sent.history.order.sequence == sequence)
        return Push(history_view(sent.history))

    def push(self, sequence: int = 5) -> None:
        """One message, and everything that it brings back to the queue."""
        push_status(self.history(sequence), self.pusher)
        while self.queue:
            push_status(self.queue.pop(0), self.pusher)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    running = Endpoint()
    yield running
    running.stop()


@pytest.fixture
def stream(endpoint: Endpoint) -> Iterator[Stream]:
    client = websocket_client(endpoint.url)
    with ThreadPoolExecutor(8) as threads:
        yield Stream(endpoint, ApiGatewayNotifier(client, RecordingTelemetry()), threads)
    client.close()


def then_well(statuses: dict[str, list[int]]) -> Behaviour:
    """Each connection answers its statuses in turn, then 200."""
    lock = threading.Lock()

    def answer(connection: str, _method: str) -> int:
        with lock:
            script = statuses.get(connection)
            return script.pop(0) if script else 200

    return answer


@pytest.mark.parametrize("status", [429, 500, 502, 503, 0], ids=str)
def test_a_passing_failure_loses_nothing_and_blocks_nobody(stream: Stream, status: int) -> None:
    stream.follow("troubled", "fine")
    stream.endpoint.behaviour = then_well({"troubled": [status, 200, status]})
    stream.push()
    assert stream.endpoint.taken["fine"] == [1, 2, 3, 4, 5]
    assert stream.endpoint.taken["troubled"] == [1, 2, 3, 4, 5]
    assert stream.endpoint.closed == []


def test_an_outage_of_a_second_is_survived(stream: Stream) -> None:
    """All tries used to be over within an instant: the queue gives back at once what is put into it."""
    stream.follow("c")
    back_at = stream.clock.in_seconds(1)
    stream.endpoint.behaviour = lambda _connection, _method: 200 if stream.clock.now() >= back_at else 503
    stream.push()
    assert stream.endpoint.taken["c"] == [1, 2, 3, 4, 5]
    assert stream.endpoint.closed == []


def test_one_that_stays_busy_is_closed_so_that_its_client_comes_back(stream: Stream) -> None:
    stream.follow("c")
    stream.endpoint.behaviour = lambda _connection, method: 429 if method == "POST" else 200
    stream.push()
    assert stream.endpoint.closed == ["c"]
    assert stream.followers.rows == {}


def test_an_end_that_can_neither_be_told_nor_the_connection_closed_comes_again(stream: Stream) -> None:
    """It used to be forgotten with its connection open: the client would have waited for ever."""
    stream.follow("c")
    stream.endpoint.behaviour = lambda _connection, _method: 503
    with pytest.raises(Unavailable):
        stream.push()
    stream.endpoint.behaviour = lambda _connection, _method: 200
    stream.push()
    assert stream.endpoint.taken["c"] == [1, 2, 3, 4, 5]


def test_before_the_end_it_waits_for_the_next_status_and_holds_up_nobody(stream: Stream) -> None:
    stream.follow("troubled", "fine")
    stream.endpoint.behaviour = lambda connection, _method: 503 if connection == "troubled" else 200
    stream.push(3)
    assert stream.endpoint.taken["fine"] == [1, 2, 3]
    stream.endpoint.behaviour = lambda _connection, _method: 200
    stream.push(5)
    assert stream.endpoint.taken["troubled"] == [1, 2, 3, 4, 5]


def test_one_that_is_gone_is_forgotten_at_once(stream: Stream) -> None:
    stream.follow("gone", "fine")
    stream.endpoint.behaviour = lambda connection, _method: 410 if connection == "gone" else 200
    stream.push()
    assert stream.endpoint.calls["gone"] == 1
    assert [name for _, name in stream.followers.rows] == ["fine"]
    assert stream.endpoint.taken["fine"] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("pushes", [[5], [2, 5]], ids=["in one push", "in an earlier push"])
def test_one_that_was_reached_and_is_gone_now_is_not_waited_for(stream: Stream, pushes: list[int]) -> None:
    """A client that comes and goes used to hold up its order's others for a second each time."""
    stream.follow("c", age=0)
    start = stream.clock.now()
    stream.endpoint.behaviour = then_well({"c": [200, 200, 410]})
    for sequence in pushes:
        stream.push(sequence)
    assert stream.clock.now() == start
    assert stream.followers.rows == {}


@pytest.mark.parametrize("seconds", [0.2, 3, 7, 14])
def test_a_handshake_may_take_as_long_as_its_function(stream: Stream, seconds: float) -> None:
    """A slow $connect used to be taken for a connection that is gone after 5 s: it opened, and was never served."""
    stream.follow("c", age=0)
    opens_at: datetime = stream.clock.in_seconds(seconds)
    stream.endpoint.behaviour = lambda _connection, _method: 200 if stream.clock.now() >= opens_at else 410
    stream.push()
    assert stream.endpoint.taken["c"] == [1, 2, 3, 4, 5]


def test_a_handshake_that_failed_is_given_up_in_the_end(stream: Stream) -> None:
    stream.follow("c", age=0)
    stream.endpoint.behaviour = lambda _connection, _method: 410
    start = stream.clock.now()
    stream.push()
    assert stream.followers.rows == {}
    assert stream.clock.now() - start >= HANDSHAKE_AGE


def test_what_was_posted_is_recorded_although_the_table_is_throttled(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One failed record used to repeat every status that had been posted."""
    record = stream.followers.record
    failures = iter([True, True, True])

    def throttled(follower: Follower, sequence: int) -> None:
        if next(failures, False):
            raise Unavailable("Throttled.")
        record(follower, sequence)

    monkeypatch.setattr(stream.followers, "record", throttled)
    stream.follow("c")
    stream.push(4)
    stream.push(5)
    assert stream.endpoint.taken["c"] == [1, 2, 3, 4, 5]
