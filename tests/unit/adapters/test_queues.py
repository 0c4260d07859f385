"""The two queues on SQS."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from chalicelib.adapters.queues import status_events
from chalicelib.adapters.queues.beats import SqsHeartbeats
from chalicelib.adapters.queues.orders import SqsOrders
from chalicelib.adapters.queues.status_events import SqsStatusEvents
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import History
from chalicelib.handlers.push_status import parse
from chalicelib.handlers.sqs_message import messages_of
from chalicelib.services.posting import Push
from chalicelib.services.views import history_view
from tests.fakes.aws import Record, drain, record_of
from tests.fakes.engine import Engine

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef


def push_of(message: "MessageTypeDef") -> Push:
    parsed = parse(messages_of([Record(record_of(message))])[0])
    assert isinstance(parsed, Push)
    return parsed


@pytest.fixture(scope="module")
def client(aws: None) -> "SQSClient":
    client: SQSClient = boto3.client("sqs")
    return client


@pytest.fixture
def sqs(client: "SQSClient") -> "Iterator[SQSClient]":
    """SQS without a queue."""
    yield client
    for url in client.list_queues().get("QueueUrls", []):
        client.delete_queue(QueueUrl=url)


@pytest.fixture
def orders_url(sqs: "SQSClient") -> str:
    return sqs.create_queue(QueueName="orders")["QueueUrl"]


@pytest.fixture
def events_url(sqs: "SQSClient") -> str:
    return sqs.create_queue(QueueName="events.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]


@pytest.fixture
def history(engine: Engine) -> History:
    order_id = engine.place().id
    engine.run(order_id)
    return engine.history(order_id)


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_an_order_is_named_by_its_id(sqs: "SQSClient", orders_url: str) -> None:
    SqsOrders(sqs, orders_url).send("ord_1")
    (message,) = drain(sqs, orders_url)
    assert json.loads(message["Body"])["orderId"] == "ord_1"


def test_a_postponed_message_comes_back(sqs: "SQSClient", orders_url: str) -> None:
    queue = SqsOrders(sqs, orders_url)
    queue.send("ord_1")
    (message,) = sqs.receive_message(QueueUrl=orders_url, VisibilityTimeout=60)["Messages"]
    queue.postpone(message["ReceiptHandle"], 0)
    (again,) = sqs.receive_message(QueueUrl=orders_url)["Messages"]
    assert again["MessageId"] == message["MessageId"]


def test_the_next_beat_waits_in_the_queue(sqs: "SQSClient", orders_url: str) -> None:
    SqsHeartbeats(sqs, orders_url).schedule_next(2)
    waiting = sqs.get_queue_attributes(QueueUrl=orders_url, AttributeNames=["All"])["Attributes"]
    assert waiting["ApproximateNumberOfMessagesDelayed"] == "1"


def test_the_check_asks_the_queue(sqs: "SQSClient", orders_url: str) -> None:
    SqsOrders(sqs, orders_url).check()
    with pytest.raises(Unavailable):
        SqsOrders(sqs, orders_url + "-that-is-not-there").check()


def test_a_history_survives_the_queue_in_its_order_s_group(sqs: "SQSClient", events_url: str, history: History) -> None:
    SqsStatusEvents(sqs, events_url).send(history)
    (message,) = drain(sqs, events_url)
    assert push_of(message) == Push(history_view(history))
    assert message["Attributes"]["MessageGroupId"] == history.order.id


def test_a_history_published_twice_is_delivered_once(sqs: "SQSClient", events_url: str, history: History) -> None:
    events = SqsStatusEvents(sqs, events_url)
    for _ in range(3):
        events.send(history)
    assert len(drain(sqs, events_url)) == 1


def test_a_repeat_and_a_message_for_one_follower_are_never_duplicates(
    sqs: "SQSClient", events_url: str, history: History
) -> None:
    events = SqsStatusEvents(sqs, events_url)
    events.send(history)
    events.send(history, repeat=True)
    events.send(history, repeat=True)
    events.send(history, connection_id="c")
    events.send(history, connection_id="c")
    messages = [push_of(message) for message in drain(sqs, events_url)]
    assert [push.connection_id for push in messages] == [None, None, None, "c", "c"]


def test_histories_of_one_order_stay_in_order(sqs: "SQSClient", events_url: str, engine: Engine) -> None:
    order_id = engine.place().id
    engine.run(order_id)
    events = SqsStatusEvents(sqs, events_url)
    for sent in engine.events.sent:
        events.send(sent.history)
    pushes = [push_of(message) for message in drain(sqs, events_url)]
    assert [push.history["order"]["sequence"] for push in pushes] == [2, 3, 4, 5]


def test_a_follower_that_gave_way_has_a_message_group_of_its_own(
    sqs: "SQSClient", events_url: str, history: History
) -> None:
    push = Push(history_view(history), "c=", apart=True)
    SqsStatusEvents(sqs, events_url).requeue(push)
    (message,) = drain(sqs, events_url)
    assert push_of(message) == push
    assert message["Attributes"]["MessageGroupId"] == f"{history.order.id}:c="


def test_messages_of_a_batch_are_deleted_or_sent_off_without_the_others(
    sqs: "SQSClient", events_url: str, engine: Engine
) -> None:
    events = SqsStatusEvents(sqs, events_url)
    for _ in range(3):
        events.send(engine.history(engine.place().id))
    received = sqs.receive_message(QueueUrl=events_url, MaxNumberOfMessages=10)["Messages"]
    handles = [message["ReceiptHandle"] for message in received]
    events.acknowledge(handles[:1])
    events.postpone(handles[1:2], 0)
    (again,) = sqs.receive_message(QueueUrl=events_url, MaxNumberOfMessages=10)["Messages"]
    assert again["MessageId"] == received[1]["MessageId"]
    attributes = sqs.get_queue_attributes(QueueUrl=events_url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "2"


def test_the_longest_history_fits_a_message(engine: Engine, sqs: "SQSClient", events_url: str) -> None:
    from tests.fakes import Behaviour

    engine.chain.behaviours = dict.fromkeys((1, 2, 3), Behaviour.REVERTS)
    order_id = engine.place().id
    engine.drive(order_id)
    longest = engine.history(order_id)
    longest = replace(longest, order=replace(longest.order, user_id="ü" * 128, wallet_address="ü" * 128))
    SqsStatusEvents(sqs, events_url).send(longest)
    (message,) = drain(sqs, events_url)
    assert len(message["Body"].encode()) < 64 * 1024


def test_a_queue_that_is_not_there_or_cannot_be_reached_is_unavailable(sqs: "SQSClient", history: History) -> None:
    config = Config(connect_timeout=0.2, retries={"total_max_attempts": 1})
    away = boto3.client("sqs", endpoint_url="http://127.0.0.1:1", config=config)
    for client, address in ((away, "http://127.0.0.1:1"), (sqs, "https://sqs.us-east-1.amazonaws.com/123456789012")):
        orders, events = SqsOrders(client, f"{address}/none"), SqsStatusEvents(client, f"{address}/none.fifo")
        asks: dict[Callable[..., object], tuple[object, ...]] = {
            orders.send: ("ord_1",),
            orders.send_many: ([f"ord_{number}" for number in range(500)],),
            orders.postpone: ("handle", 1),
            orders.depth: (),
            orders.check: (),
        }
        for ask, values in asks.items():
            with pytest.raises(Unavailable, match="orders queue cannot be reached"):
                ask(*values)
        with pytest.raises(Unavailable, match="status-events queue cannot be reached"):
            events.send(history)


def test_many_orders_are_sent_each_once(sqs: "SQSClient", orders_url: str) -> None:
    ids = [f"ord_{number}" for number in range(25)]
    queue = SqsOrders(sqs, orders_url)
    queue.send_many(ids)
    assert queue.depth() == 25
    assert sorted(json.loads(message["Body"])["orderId"] for message in drain(sqs, orders_url)) == sorted(ids)
    queue.send_many([])
    assert queue.depth() == 0


def test_the_depth_counts_what_workers_have(sqs: "SQSClient", orders_url: str) -> None:
    queue = SqsOrders(sqs, orders_url)
    queue.send_many(["ord_1", "ord_2", "ord_3"])
    sqs.send_message(QueueUrl=orders_url, MessageBody="{}", DelaySeconds=60)
    sqs.receive_message(QueueUrl=orders_url, VisibilityTimeout=60)
    assert queue.depth() == 4


class Recorded:
    """An SQS client that holds each call until it is let go, and fails or refuses where a test says so."""

    def __init__(self, *, holds: bool = False) -> None:
        self.calls: list[list[str]] = []
        self.called = threading.Event()
        self.go_on = threading.Event()
        self.outage = False
        self.refused: set[str] = set()
        if not holds:
            self.go_on.set()

    def send_message(self, *, QueueUrl: str, **entry: str) -> None:  # noqa: N803
        self.send_message_batch(QueueUrl=QueueUrl, Entries=[{"Id": "alone", **entry}])

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, object]:  # noqa: N803
        del QueueUrl
        self.calls.append([entry["MessageGroupId"] for entry in Entries])
        self.called.set()
        assert self.go_on.wait(20)
        if self.outage:
            raise ReadTimeoutError(endpoint_url="http://sqs")
        failed = [entry for entry in Entries if entry["MessageGroupId"] in self.refused]
        return {"Failed": [{"Id": entry["Id"], "Code": "no", "Message": "Not today."} for entry in failed]}


def tell(events: SqsStatusEvents, histories: Iterable[History], recorded: Recorded) -> list[Exception | None]:
    """Sends the first, the others while its call is under way; gives what each raised."""

    def send(history: History) -> Exception | None:
        try:
            events.send(history)
        except Unavailable as error:
            return error
        return None

    first, *others = histories
    with ThreadPoolExecutor(16) as threads:
        sent = [threads.submit(send, first)]
        assert recorded.called.wait(20)
        sent += [threads.submit(send, history) for history in others]
        give_up = time.monotonic() + 20
        while len(events._waiting) < len(others) and time.monotonic() < give_up:
            time.sleep(0.001)
        recorded.go_on.set()
        return [future.result(20) for future in sent]


def test_what_orders_tell_at_the_same_time_travels_together(engine: Engine) -> None:
    recorded = Recorded(holds=True)
    events = SqsStatusEvents(cast("SQSClient", recorded), "url")
    histories = [engine.history(engine.place().id) for _ in range(13)]
    assert tell(events, histories, recorded) == [None] * 13
    assert [len(call) for call in recorded.calls] == [1, 10, 2]
    assert sorted(itertools.chain(*recorded.calls)) == sorted(history.order.id for history in histories)


def test_a_message_that_is_refused_alone_fails_alone(engine: Engine) -> None:
    recorded = Recorded(holds=True)
    events = SqsStatusEvents(cast("SQSClient", recorded), "url")
    histories = [engine.history(engine.place().id) for _ in range(4)]
    recorded.refused = {histories[2].order.id}
    errors = tell(events, histories, recorded)
    assert [error is not None for error in errors] == [False, False, True, False]
    assert "Not today." in str(errors[2])


def test_in_an_outage_nobody_waits_for_a_second_time_out(engine: Engine) -> None:
    """Each order's worker has time for one: ten that waited in a row would get their invocation killed."""
    recorded = Recorded(holds=True)
    recorded.outage = True
    events = SqsStatusEvents(cast("SQSClient", recorded), "url")
    errors = tell(events, [engine.history(engine.place().id) for _ in range(10)], recorded)
    assert all(isinstance(error, Unavailable) for error in errors)
    assert len(recorded.calls) == 1
    recorded.outage = False
    events.send(engine.history(engine.place().id))
    assert len(recorded.calls) == 2


def test_an_order_alone_waits_for_nobody(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("It waited."))
    events = SqsStatusEvents(cast("SQSClient", Recorded()), "url")
    order_id = engine.place().id
    engine.run(order_id)
    for sent in engine.events.sent:
        events.send(sent.history)


def test_long_histories_are_not_more_than_a_call_takes(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_events, "BATCH_BYTES", 3_000)
    recorded = Recorded(holds=True)
    events = SqsStatusEvents(cast("SQSClient", recorded), "url")
    histories = [engine.history(engine.place().id) for _ in range(8)]
    assert tell(events, histories, recorded) == [None] * 8
    assert max(len(call) for call in recorded.calls) < 8
    assert sorted(itertools.chain(*recorded.calls)) == sorted(history.order.id for history in histories)


def test_behind_a_call_that_hangs_nobody_waits_for_long(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_events, "TURN_SECONDS", 0.05)
    recorded = Recorded(holds=True)
    events = SqsStatusEvents(cast("SQSClient", recorded), "url")
    first, second = (engine.history(engine.place().id) for _ in range(2))
    with ThreadPoolExecutor(1) as threads:
        hanging = threads.submit(events.send, first)
        assert recorded.called.wait(20)
        with pytest.raises(Unavailable, match="takes too long"):
            events.send(second)
        recorded.go_on.set()
        hanging.result(20)
    events.send(second)
    assert recorded.calls == [[first.order.id], [second.order.id]]


def test_a_defect_is_raised_to_everybody_whom_it_concerns(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded()
    monkeypatch.setattr(recorded, "send_message", lambda **_: 1 // 0)
    events = SqsStatusEvents(cast("SQSClient", recorded), "url")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            events.send(engine.history(engine.place().id))
