"""SQS batches: every message on its own, those that must come again reported one by one."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol, TypedDict

from chalice.app import CloudWatchEvent, SQSEvent

from chalicelib import correlation
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import is_order_id
from chalicelib.ports.queues import GroupQueue
from chalicelib.ports.runtime import Telemetry
from chalicelib.services.execute_order import Ack, RetryAfter
from chalicelib.services.posting import Postponed

# What a worker leaves of its invocation for the step that it has just begun, in milliseconds: quotes, a build or a
# submit takes up to 2.5 s, and telling of it 5 s where SQS hangs. Killed instead, it takes ten orders' turns along.
RESERVE_MS = 8_000
# What SQS hands over at once.
BATCH = 10
# A message is postponed only while there is time for a queue that hangs; it comes again all the same, only later.
POSTPONE_MS = 5_000
# A few returns after the queue's own visibility timeout bridge a restart. In a longer outage each wait doubles, so that
# the deliveries that a message has last for hours; reconcile enqueues anew as soon as the outage is over.
PROMPT_RETURNS = 3
FIRST_OUTAGE_PAUSE = 48
LONGEST_OUTAGE_PAUSE = 768
# How long the groups of a batch wait for the slowest of them before they go on without it.
SLOW_GROUP_SECONDS = 0.25
# A group that failed comes again after 1 s, 2 s, 4 s … and then as often as what was never answered.
LONGEST_GROUP_PAUSE = 26


@dataclass(frozen=True, slots=True)
class Message:
    """A received SQS message; `sent_at` in seconds since the epoch, `queue` the queue's name.

    `request_id` and `trace_id` lead back to the request that made its sender send it.
    """

    id: str
    body: str
    receipt_handle: str
    receive_count: int
    group: str | None
    sent_at: float = 0
    request_id: str | None = None
    trace_id: str | None = None
    queue: str = "unknown"


class ItemFailure(TypedDict):
    """One message that must come again."""

    itemIdentifier: str


class BatchResponse(TypedDict):
    """The partial-batch contract (`ReportBatchItemFailures`)."""

    batchItemFailures: list[ItemFailure]


class SqsRecord(Protocol):
    """A record as Chalice gives it."""

    def to_dict(self) -> Mapping[str, object]: ...


def messages_of(records: Iterable[SqsRecord]) -> list[Message]:
    """The records of an SQS event."""
    return [_message(record.to_dict()) for record in records]


def _message(record: Mapping[str, object]) -> Message:
    known = _mapping(record.get("attributes"))
    request_id = _mapping(_mapping(record.get("messageAttributes")).get("requestId")).get("stringValue")
    return Message(
        id=str(record["messageId"]),
        body=str(record["body"]),
        receipt_handle=str(record["receiptHandle"]),
        receive_count=int(known.get("ApproximateReceiveCount", 1)),
        group=known.get("MessageGroupId"),
        sent_at=int(known.get("SentTimestamp", 0)) / 1000,
        request_id=request_id,
        trace_id=_trace_id(known.get("AWSTraceHeader", "")),
        queue=str(record.get("eventSourceARN", "unknown")).rpartition(":")[2],
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _trace_id(header: str) -> str | None:
    """The trace that an X-Ray header ("Root=1-…;Parent=…;Sampled=1") belongs to."""
    parts = dict(part.partition("=")[::2] for part in header.split(";"))
    return parts.get("Root")


def order_id_of(message: Message) -> str:
    """The order that a message of the orders queue names.

    Raises:
        ValueError: it is none of our messages.
    """
    try:
        body = json.loads(message.body)
    except (ValueError, RecursionError):
        body = None
    order_id = body.get("orderId") if isinstance(body, dict) else None
    # What cannot be an id never reaches the database, which refuses some text (NUL) with an error of its own.
    if not isinstance(order_id, str) or not is_order_id(order_id):
        raise ValueError(f"The message {message.id} names no order.")
    return order_id


def remaining_ms(event: SQSEvent | CloudWatchEvent) -> int:
    """What is left of the invocation; Chalice types the Lambda context as a dict, which it is not."""
    return int(event.context.get_remaining_time_in_millis())  # type: ignore[union-attr]


def deadline(now: datetime, remaining_ms: int) -> datetime:
    """When to stop starting new steps, so that the invocation still answers in time."""
    return now + timedelta(milliseconds=max(remaining_ms - RESERVE_MS, 0))


def may_postpone(now: datetime, until: datetime) -> bool:
    """Whether the invocation whose `deadline` this is has time left to postpone a message."""
    return now <= until + timedelta(milliseconds=RESERVE_MS - POSTPONE_MS)


def _count_ages(messages: Sequence[Message], telemetry: Telemetry) -> None:
    """How long new messages waited; one that comes again waited on purpose."""
    for message in messages:
        if message.receive_count == 1 and message.sent_at:
            age = max(round((time.time() - message.sent_at) * 1000), 0)
            telemetry.add_metric("QueueAgeMs", age, queue=message.queue)


@cache
def _threads() -> ThreadPoolExecutor:
    """Kept from one invocation to the next: starting a thread for each order takes a sixth of what it costs."""
    return ThreadPoolExecutor(BATCH, thread_name_prefix="order")


def run_each(
    messages: Sequence[Message],
    work: Callable[[Message], Ack | RetryAfter],
    *,
    postpone: Callable[[str, int], None],
    telemetry: Telemetry,
    in_time: Callable[[], bool] = lambda: True,
) -> BatchResponse:
    """Works on all messages at once; one that fails or must wait comes again, the others are done.

    Nothing is postponed any more once `in_time` says no.
    """

    def postpone_in_time(receipt_handle: str, seconds: int) -> None:
        if not in_time():
            raise Unavailable("The invocation has no time left for it.")
        postpone(receipt_handle, seconds)

    _count_ages(messages, telemetry)
    done = list(_threads().map(lambda message: _run(message, work, postpone_in_time, telemetry), messages))
    failures = [message for message, is_done in zip(messages, done, strict=True) if not is_done]
    return {"batchItemFailures": [{"itemIdentifier": message.id} for message in failures]}


def _run(
    message: Message,
    work: Callable[[Message], Ack | RetryAfter],
    postpone: Callable[[str, int], None],
    telemetry: Telemetry,
) -> bool:
    """Whether the message can go."""
    with correlation.scoped(
        order_id=_order_id_or_none(message), request_id=message.request_id, trace_id=message.trace_id
    ):
        # One that comes again shows what went on before.
        log = telemetry.debug if message.receive_count == 1 else telemetry.log
        log("message_received", message_id=message.id, receive_count=message.receive_count)
        pause: int | None
        try:
            outcome = work(message)
            if isinstance(outcome, Ack):
                return True
            pause = math.ceil(outcome.seconds)
        except Unavailable as error:
            telemetry.warn("message_returned", message_id=message.id, reason=str(error))
            pause = outage_pause(message.receive_count)
        except Exception as error:  # noqa: BLE001 - one message's defect must not take the rest of the batch along
            telemetry.exception("message_failed", error, message_id=message.id)
            telemetry.add_metric("MessagesFailed")
            return False
        if pause is not None:
            _postpone(message, pause, postpone, telemetry)
    return False


def _postpone(message: Message, pause: int, postpone: Callable[[str, int], None], telemetry: Telemetry) -> None:
    try:
        postpone(message.receipt_handle, pause)
    except Unavailable as error:
        # It comes back all the same, when the queue's own visibility timeout is over.
        telemetry.warn("message_not_postponed", message_id=message.id, reason=str(error))


def outage_pause(receive_count: int) -> int | None:
    """After how many seconds a message comes again that nothing is wrong with; None for the queue's own time."""
    if receive_count <= PROMPT_RETURNS:
        return None
    doublings = min(receive_count - PROMPT_RETURNS - 1, 8)
    return min(FIRST_OUTAGE_PAUSE << doublings, LONGEST_OUTAGE_PAUSE)


def _order_id_or_none(message: Message) -> str | None:
    """The order that the log lines are about. What else a message holds is not logged: it may be anything."""
    try:
        return order_id_of(message)
    except ValueError:
        return None


def run_in_groups(
    messages: Sequence[Message],
    work: Callable[[Sequence[Message]], None],
    *,
    queue: GroupQueue,
    telemetry: Telemetry,
    in_time: Callable[[], bool] = lambda: True,
) -> BatchResponse:
    """For a FIFO queue: the groups at once, each as a whole; a group that fails comes again as a whole, in order.

    A batch ends with its slowest group, and until then no group of it goes on. So where one takes long, those that are
    done are acknowledged without it, and those that failed are sent off to come again. `work` raises `Postponed` to say
    when that is.
    """
    _count_ages(messages, telemetry)
    groups: dict[str | None, list[Message]] = {}
    for message in messages:
        groups.setdefault(message.group, []).append(message)
    failed: list[Message] = []

    def finish(done: Iterable[Future[int | None]], *, early: bool) -> None:
        over: list[Message] = []
        for future in done:
            group, pause = running[future], future.result()
            if pause is None:
                over += group
                continue
            failed.extend(group)
            if in_time():
                _try(lambda group=group, pause=pause: queue.postpone(_handles(group), pause), group, telemetry)  # type: ignore[misc]
        if early and over and in_time():
            _try(lambda: queue.acknowledge(_handles(over)), over, telemetry)

    with ThreadPoolExecutor(max_workers=max(len(groups), 1), thread_name_prefix="group") as threads:
        running = {threads.submit(_run_group, group, work, telemetry): group for group in groups.values()}
        done, left = wait(running, timeout=SLOW_GROUP_SECONDS)
        while left:
            finish(done, early=True)
            done, left = wait(left, return_when=FIRST_COMPLETED)
        finish(done, early=False)
    return {"batchItemFailures": [{"itemIdentifier": message.id} for message in messages if message in failed]}


def _handles(messages: Sequence[Message]) -> list[str]:
    return [message.receipt_handle for message in messages]


def _try(call: Callable[[], None], messages: Sequence[Message], telemetry: Telemetry) -> None:
    """What fails here happens all the same, only later: with the batch's end, or the queue's visibility timeout."""
    try:
        call()
    except Unavailable as error:
        telemetry.warn("group_not_settled", message_id=messages[0].id, reason=str(error))


def _run_group(group: Sequence[Message], work: Callable[[Sequence[Message]], None], telemetry: Telemetry) -> int | None:
    """In how many seconds the group is to come again; None where it is done."""
    newest = group[-1]
    pause = min(1 << min(max(message.receive_count for message in group) - 1, 6), LONGEST_GROUP_PAUSE)
    with correlation.scoped(order_id=_order_of(newest), request_id=newest.request_id, trace_id=newest.trace_id):
        try:
            work(group)
        except Postponed as later:
            return later.seconds
        except Unavailable as error:
            telemetry.warn("group_returned", message_id=group[0].id, reason=str(error))
            return pause
        except Exception as error:  # noqa: BLE001 - one order's defect must not hold up the others
            telemetry.exception("group_failed", error, message_id=group[0].id)
            telemetry.add_metric("MessagesFailed")
            return pause
    return None


def _order_of(message: Message) -> str | None:
    """The order that a group is about: a follower's own group has its connection behind the order's id.

    What a stream of all of a user's orders begins with is about none.
    """
    named = message.group.partition(":")[0] if message.group else ""
    return named if is_order_id(named) else None
