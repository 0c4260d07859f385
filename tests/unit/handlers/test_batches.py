"""SQS batches: every message on its own."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import new_order_id
from chalicelib.handlers.fifo_batch import run_in_groups
from chalicelib.handlers.sqs_batch import RESERVE_MS, deadline, outage_pause, run_each
from chalicelib.handlers.sqs_message import Message, messages_of, order_id_of
from chalicelib.services.posting import Postponed
from chalicelib.services.worker import Ack, RetryAfter
from tests.fakes import MemoryQueue, RecordingTelemetry
from tests.fakes.aws import Record, sqs_record
from tests.fakes.clock import START


def a_message(name: str, *, group: str | None = None, body: str = "{}") -> Message:
    return Message(name, body, f"handle-{name}", 1, group)


@pytest.fixture
def telemetry() -> RecordingTelemetry:
    return RecordingTelemetry()


class Groups:
    """A FIFO queue's answers to a batch."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self.postponed: list[tuple[str, int]] = []
        self.outage = False
        self.settled = threading.Event()

    def acknowledge(self, receipt_handles: Sequence[str]) -> None:
        self._reach()
        self.acknowledged += receipt_handles
        self.settled.set()

    def postpone(self, receipt_handles: Sequence[str], seconds: int) -> None:
        self._reach()
        self.postponed += [(handle, seconds) for handle in receipt_handles]

    def _reach(self) -> None:
        if self.outage:
            self.settled.set()
            raise Unavailable("The queue is down.")


@pytest.fixture
def groups() -> Groups:
    return Groups()


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue()


def identifiers(response: object) -> list[str]:
    assert isinstance(response, dict)
    return [item["itemIdentifier"] for item in response["batchItemFailures"]]


def test_what_is_read_of_a_record() -> None:
    record = sqs_record("body", message_id="m", group="g", receives=3)
    (message,) = messages_of([Record(record)])
    assert (message.id, message.body, message.receive_count, message.group) == ("m", "body", 3, "g")
    assert message.receipt_handle == record["receiptHandle"]


def test_the_order_of_a_message() -> None:
    order_id = new_order_id()
    assert order_id_of(a_message("m", body=f'{{"orderId": "{order_id}", "more": 1}}')) == order_id


@pytest.mark.parametrize("body", [
    "", "no json", "[]", "null", "{}", '{"orderId": 1}', '{"orderId": null}', '{"orderId": ["ord_1"]}',
    '{"orderId": "x"}', '{"orderId": "ord_\\u0000"}', "\x00", "[" * 100_000,
], ids=range(12))  # fmt: skip
def test_a_message_without_an_order(body: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller keeps the text for people
        order_id_of(a_message("m", body=body))


def test_the_deadline_leaves_time_for_the_answer() -> None:
    assert deadline(START, 20_000) == START + timedelta(milliseconds=20_000 - RESERVE_MS)
    assert deadline(START, RESERVE_MS) == deadline(START, 1) == START


def test_each_message_has_its_own_fate(telemetry: RecordingTelemetry, queue: MemoryQueue) -> None:
    def work(message: Message) -> Ack | RetryAfter:
        match message.id:
            case "again":
                return RetryAfter(1.2)
            case "unavailable":
                raise Unavailable("The database is down.")
            case "defect":
                raise ZeroDivisionError
        return Ack()

    messages = [a_message(name) for name in ("one", "again", "unavailable", "defect", "two")]
    response = run_each(messages, work, postpone=queue.postpone, telemetry=telemetry)
    assert identifiers(response) == ["again", "unavailable", "defect"]
    # A postponed message comes back when its time has come, not a moment before.
    assert queue.postponed == [("handle-again", 2)]
    assert [event for event, _ in telemetry.exceptions] == ["message_failed"]
    assert telemetry.total("MessagesFailed") == 1


def test_a_message_that_cannot_be_postponed_comes_back_by_itself(
    telemetry: RecordingTelemetry, queue: MemoryQueue
) -> None:
    queue.outage = True
    response = run_each([a_message("m")], lambda _: RetryAfter(5), postpone=queue.postpone, telemetry=telemetry)
    assert identifiers(response) == ["m"]
    assert telemetry.exceptions == []


@pytest.mark.parametrize(("receives", "pauses"), [(1, []), (3, []), (4, [48]), (5, [96]), (8, [768]), (5000, [768])])
def test_in_an_outage_a_message_comes_back_less_and_less_often(
    telemetry: RecordingTelemetry, queue: MemoryQueue, receives: int, pauses: list[int]
) -> None:
    def work(_: Message) -> Ack | RetryAfter:
        raise Unavailable("The database is down.")

    message = replace(a_message("m"), receive_count=receives)
    response = run_each([message], work, postpone=queue.postpone, telemetry=telemetry)
    assert identifiers(response) == ["m"]
    assert queue.postponed == [("handle-m", pause) for pause in pauses]


def test_an_outage_of_an_hour_does_not_use_up_a_messages_deliveries() -> None:
    visibility_timeout, deliveries = 24, 12
    pauses = [outage_pause(receives) or visibility_timeout for receives in range(1, deliveries + 1)]
    assert sum(pauses) > 3600


def test_messages_run_at_once(telemetry: RecordingTelemetry, queue: MemoryQueue) -> None:
    together = threading.Barrier(10)

    def work(_: Message) -> Ack:
        together.wait(20)
        return Ack()

    messages = [a_message(str(number)) for number in range(10)]
    assert identifiers(run_each(messages, work, postpone=queue.postpone, telemetry=telemetry)) == []


def test_a_group_is_worked_on_as_a_whole_and_the_groups_at_once(telemetry: RecordingTelemetry, groups: Groups) -> None:
    together = threading.Barrier(3)
    seen: dict[str | None, list[str]] = {}

    def work(group: object) -> None:
        assert isinstance(group, list)
        together.wait(20)
        seen[group[0].group] = [message.id for message in group]

    messages = [a_message(f"{group}{number}", group=group) for number in (1, 2, 3) for group in "abc"]
    assert identifiers(run_in_groups(messages, work, queue=groups, telemetry=telemetry)) == []
    assert groups.acknowledged == []  # the batch's end does that
    assert seen == {group: [f"{group}1", f"{group}2", f"{group}3"] for group in "abc"}


@pytest.mark.parametrize(("receives", "pause"), [(1, 1), (2, 2), (4, 8), (6, 26), (99, 26)])
@pytest.mark.parametrize("error", [Unavailable("Down."), ZeroDivisionError()])
def test_a_group_that_fails_comes_again_in_order_and_soon(
    telemetry: RecordingTelemetry, groups: Groups, error: Exception, receives: int, pause: int
) -> None:
    """It used to come when the visibility timeout was over, after 26 s."""

    def work(group: object) -> None:
        assert isinstance(group, list)
        if group[0].group == "b":
            raise error

    messages = [a_message(f"{group}{number}", group=group) for number in (1, 2) for group in "abc"]
    messages[1] = replace(messages[1], receive_count=receives)
    assert identifiers(run_in_groups(messages, work, queue=groups, telemetry=telemetry)) == ["b1", "b2"]
    assert groups.postponed == [("handle-b1", pause), ("handle-b2", pause)]
    assert len(telemetry.exceptions) == isinstance(error, ZeroDivisionError)


def test_a_group_that_asks_for_it_comes_again_when_it_says(telemetry: RecordingTelemetry, groups: Groups) -> None:
    def work(_: object) -> None:
        raise Postponed(3)

    message = replace(a_message("m", group="a"), receive_count=9)
    assert identifiers(run_in_groups([message], work, queue=groups, telemetry=telemetry)) == ["m"]
    assert groups.postponed == [("handle-m", 3)]
    assert telemetry.warnings == []


@pytest.mark.parametrize("outage", [False, True])
def test_a_slow_group_holds_up_none_of_its_batch(telemetry: RecordingTelemetry, groups: Groups, outage: bool) -> None:
    """What is done is acknowledged, what failed is sent off, while the slow one is still at work."""
    groups.outage = outage
    seen: list[tuple[list[str], list[tuple[str, int]]]] = []

    def work(group: object) -> None:
        assert isinstance(group, list)
        if group[0].group == "fails":
            raise Unavailable("Down.")
        if group[0].group == "slow":
            assert groups.settled.wait(20)
            seen.append((list(groups.acknowledged), list(groups.postponed)))

    messages = [a_message(name, group=name.rstrip("12")) for name in ("done1", "slow", "fails", "done2", "other")]
    assert identifiers(run_in_groups(messages, work, queue=groups, telemetry=telemetry)) == ["fails"]
    (at_work,) = seen
    assert set(at_work[0]) == (set() if outage else {"handle-done1", "handle-done2", "handle-other"})
    assert "handle-slow" not in groups.acknowledged
    if outage:
        assert {line.event for line in telemetry.warnings} == {"group_returned", "group_not_answered"}
    else:
        assert groups.postponed == [("handle-fails", 1)]


def test_an_invocation_without_time_for_a_queue_that_hangs_asks_it_for_nothing(
    telemetry: RecordingTelemetry, groups: Groups
) -> None:
    def work(_: object) -> None:
        raise Unavailable("Down.")

    response = run_in_groups(
        [a_message("m", group="a")], work, queue=groups, telemetry=telemetry, in_time=lambda: False
    )
    assert identifiers(response) == ["m"]
    assert groups.postponed == []
