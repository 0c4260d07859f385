"""The functions as they are deployed: queues and table on AWS in memory, orders and market by a fake clock."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import boto3
import pytest

import app
from chalicelib import bootstrap
from chalicelib.adapters.aws import clients
from chalicelib.handlers.sqs_batch import BatchResponse
from tests.fakes import MemoryArchive, MemoryHistory, MemoryNotifier
from tests.fakes.aws import (
    LambdaContext,
    aws_in_memory,
    create_connections_table,
    drain,
    record_of,
    sqs_event,
    websocket_event,
)
from tests.fakes.engine import Engine

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

WEBSOCKET_URL = "ws://localhost:3000/api/orders/execute"
TABLE = "connections"


@dataclass
class Stack:
    """Every function, and what is behind them."""

    engine: Engine
    sqs: "SQSClient"
    orders_url: str
    dead_url: str
    events_url: str
    notifier: MemoryNotifier
    archive: MemoryArchive = field(default_factory=MemoryArchive)

    def execute(self, *records: dict[str, object]) -> BatchResponse:
        """Calls the worker with these records."""
        answer: BatchResponse = app.execute_orders(sqs_event(records), LambdaContext())
        return answer

    def push(self) -> BatchResponse:
        """Calls the pusher with all status events."""
        records = [record_of(message) for message in drain(self.sqs, self.events_url)]
        answer: BatchResponse = app.push_status(sqs_event(records), LambdaContext())
        return answer

    def connect(self, order_id: str | None, connection_id: str = "c=", **query: str) -> int:
        """Opens a WebSocket; gives the status of the handshake."""
        asked = {**({"orderId": order_id} if order_id is not None else {}), **query}
        event = websocket_event("$connect", connection_id, query=asked or None)
        return int(app.websocket_connect(event, LambdaContext())["statusCode"])


def forget_adapters() -> None:
    """Every part that bootstrap builds is built anew."""
    clients._session.cache_clear()
    for part in vars(bootstrap).values():
        if hasattr(part, "cache_clear"):
            part.cache_clear()


@dataclass(frozen=True)
class Cloud:
    """Queues and a table."""

    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"
    orders_url: str
    dead_url: str
    events_url: str

    def open(self) -> None:
        """Makes the queues."""
        for url in (self.orders_url, self.dead_url, self.events_url):
            self._create(url)

    def empty(self) -> None:
        """Leaves nothing of a test behind; a queue may be purged once a minute only, so it is made anew."""
        for url in (self.orders_url, self.dead_url, self.events_url):
            found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            if found["ApproximateNumberOfMessages"] != "0" or found["ApproximateNumberOfMessagesNotVisible"] != "0":
                self.sqs.delete_queue(QueueUrl=url)
                self._create(url)
        for row in self.dynamodb.scan(TableName=TABLE)["Items"]:
            key = {name: row[name] for name in ("order_id", "connection_id")}
            self.dynamodb.delete_item(TableName=TABLE, Key=key)

    def _create(self, url: str) -> None:
        name = url.rpartition("/")[2]
        self.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"} if name.endswith(".fifo") else {})


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """AWS in memory, for a module at a time: starting it takes longer than most tests."""
    with aws_in_memory():
        forget_adapters()
        create_connections_table(TABLE)
        account = "https://sqs.us-east-1.amazonaws.com/123456789012"
        cloud = Cloud(
            sqs=boto3.client("sqs"),
            dynamodb=boto3.client("dynamodb"),
            orders_url=f"{account}/orders",
            dead_url=f"{account}/orders-dlq",
            events_url=f"{account}/events.fifo",
        )
        cloud.open()
        yield cloud
    forget_adapters()


@pytest.fixture
def stack(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The functions over empty queues and an empty table."""
    engine = Engine()
    stack = Stack(
        engine=engine,
        sqs=cloud.sqs,
        orders_url=cloud.orders_url,
        dead_url=cloud.dead_url,
        events_url=cloud.events_url,
        notifier=MemoryNotifier(engine.clock),
    )
    for name, value in {
        "ORDERS_QUEUE_URL": stack.orders_url,
        "TICKS_QUEUE_URL": stack.orders_url,
        "ORDERS_DEAD_LETTER_QUEUE_URL": stack.dead_url,
        "STATUS_EVENTS_QUEUE_URL": stack.events_url,
        "CONNECTIONS_TABLE": TABLE,
        "WEBSOCKET_MANAGEMENT_URL": "http://127.0.0.1:1/live",
        "PUBLIC_WEBSOCKET_URL": WEBSOCKET_URL,
        "CURSOR_SECRET": "secret",
        "AUTH_MODE": "open",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }.items():
        monkeypatch.setenv(name, value)
    # AWS in memory answers botocore's clients; ours have tests of their own.
    monkeypatch.setattr(clients, "sqs_client", lambda: cloud.sqs)
    monkeypatch.setattr(clients, "dynamo_calls", lambda: None)
    history = MemoryHistory(engine.store)
    for part, replacement in {
        "clock": engine.clock,
        "telemetry": engine.telemetry,
        "orders": engine.store,
        "history": history,
        "router": engine.router,
        "notifier": stack.notifier,
        "dead_letters": stack.archive,
        "worker": replace(engine.worker(), events=bootstrap.status_events()),
    }.items():
        monkeypatch.setattr(bootstrap, part, lambda replacement=replacement: replacement)
    yield stack
    if bootstrap.pusher.cache_info().currsize:
        bootstrap.pusher().threads.shutdown()
    for composed in (
        bootstrap.pusher,
        bootstrap.subscriptions,
        bootstrap.api,
        bootstrap.owned_orders,
        bootstrap.owned_history,
    ):
        composed.cache_clear()
    cloud.empty()
