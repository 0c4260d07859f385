"""How long AWS may keep an invocation waiting: a service that hangs must not get it killed with its ten orders."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from botocore.retries import standard

from chalicelib.adapters.aws import clients
from chalicelib.adapters.aws.json_calls import ATTEMPTS
from chalicelib.adapters.aws.sqs_calls import SqsCalls
from chalicelib.adapters.queues.orders import SqsOrders
from chalicelib.adapters.queues.status_events import TURN_SECONDS
from chalicelib.domain.errors import Unavailable
from chalicelib.handlers.sqs_batch import POSTPONE_MS, RESERVE_MS
from chalicelib.venues.router import QUOTE_DEADLINE_SECONDS

# The longest step before it is told: a build and its submit.
STEP_SECONDS = max(QUOTE_DEADLINE_SECONDS, 2.5)


def longest_call(connect: float, read: float, attempts: int) -> float:
    """Seconds until a client with these limits gives up, if every attempt connects and then hangs."""
    backoff = standard.ExponentialBackoff(random=lambda: 1.0)
    pauses = [
        backoff.delay_amount(cast("Any", standard.RetryContext(attempt_number=number))) for number in range(1, attempts)
    ]
    return attempts * (connect + read) + sum(pauses)


def longest_call_of(client: object) -> float:
    config = cast("Any", client).meta.config
    assert config.retries["mode"] == "standard"
    return longest_call(config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"])


@pytest.fixture
def sqs() -> SqsCalls:
    clients._session.cache_clear()
    return cast("SqsCalls", clients.sqs_client())


def test_a_step_and_telling_of_it_fit_into_the_reserve(sqs: SqsCalls) -> None:
    # It may wait for a call of the batch's other orders first.
    assert STEP_SECONDS + TURN_SECONDS + sqs.longest_seconds <= RESERVE_MS / 1000


def test_postponing_fits_into_what_is_left_when_it_is_still_tried(sqs: SqsCalls) -> None:
    assert sqs.longest_seconds <= POSTPONE_MS / 1000


def test_a_post_and_recording_it_fit_into_the_reserve() -> None:
    post = clients.websocket_calls().longest_seconds
    record = clients.dynamo_calls().longest_seconds
    assert post + record <= RESERVE_MS / 1000


class StallingServer:
    """Takes connections and never answers."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections.append(connection)

    def close(self) -> None:
        """Lets go of everybody."""
        self._socket.close()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def stalling() -> Iterator[StallingServer]:
    server = StallingServer()
    yield server
    server.close()


def test_a_queue_that_hangs_is_given_up_after_the_tries_that_the_budget_counts(
    stalling: StallingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", stalling.url)
    clients._session.cache_clear()
    client = clients.sqs_client()
    try:
        with pytest.raises(Unavailable, match=r"(?i)read timeout"):
            SqsOrders(client, f"{stalling.url}/orders").postpone("handle", 1)
        assert len(stalling.connections) == ATTEMPTS
        sent = stalling.connections[0].recv(65536).decode()
        assert json.loads(sent.partition("\r\n\r\n")[2])["ReceiptHandle"] == "handle"
    finally:
        clients._session.cache_clear()
