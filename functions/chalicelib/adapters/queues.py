"""The queues."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.correlation import current
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import History
from chalicelib.ports.access import KeyDocument
from chalicelib.ports.queues import Opening
from chalicelib.services.heartbeat import INTERVAL_SECONDS
from chalicelib.services.issuer_keys import message_of
from chalicelib.services.posting import Push
from chalicelib.services.views import history_view

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        DeleteMessageBatchRequestEntryTypeDef,
        MessageAttributeValueTypeDef,
        MessageSystemAttributeValueTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

# What SQS takes in one call; of bytes it takes 256 KiB, attributes and all.
BATCH = 10
BATCH_BYTES = 200_000
# How long a message waits for others where other orders told something just now.
PATIENCE_SECONDS = 0.005
COMPANY_SECONDS = 1.0
# How long it waits for a call that is under way. A worker's reserve (sqs_batch.RESERVE_MS) has room for this and for a
# call of its own; behind one that takes longer, the next status tells as much.
TURN_SECONDS = 1.0
THREADS = 8
DEPTH: Sequence[QueueAttributeNameType] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


Answer = TypeVar("Answer")


def _trace() -> dict[Literal["AWSTraceHeader"], MessageSystemAttributeValueTypeDef]:
    """Carries the X-Ray trace of this invocation on to whoever receives the message."""
    header = os.environ.get("_X_AMZN_TRACE_ID")
    return {"AWSTraceHeader": {"DataType": "String", "StringValue": header}} if header else {}


def _request() -> dict[str, MessageAttributeValueTypeDef]:
    """Carries the id of the request that all of this is about, for the receiver's log lines."""
    request_id = current().get("request_id")
    return {"requestId": {"DataType": "String", "StringValue": str(request_id)}} if request_id else {}


def _fitting(entries: Sequence[SendMessageBatchRequestEntryTypeDef]) -> int:
    """How many of these fit into one call; always one."""
    room = BATCH_BYTES
    for number, entry in enumerate(entries[:BATCH]):
        room -= len(entry["MessageBody"].encode())
        if room < 0 and number:
            return number
    return min(len(entries), BATCH)


class SqsOrders:
    """`OrdersQueue` on SQS: a standard queue; the lease in the database makes repeats harmless."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, order_id: str) -> None:
        try:
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=json.dumps({"orderId": order_id}),
                MessageAttributes=_request(),
                MessageSystemAttributes=_trace(),
            )
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"The orders queue cannot be reached: {error}") from error

    def send_many(self, order_ids: Sequence[str]) -> None:
        tens = [order_ids[start : start + BATCH] for start in range(0, len(order_ids), BATCH)]
        if tens:
            # One alone: where the queue is down, each of the others would only wait for its time-out.
            self._send_ten(tens[0])
            with ThreadPoolExecutor(THREADS, thread_name_prefix="enqueue") as threads:
                list(threads.map(self._send_ten, tens[1:]))

    def _send_ten(self, order_ids: Sequence[str]) -> None:
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": order_id, "MessageBody": json.dumps({"orderId": order_id}), "MessageSystemAttributes": _trace()}
            for order_id in order_ids
        ]
        try:
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"The orders queue cannot be reached: {error}") from error
        if refused := answer.get("Failed"):
            raise Unavailable(f"The orders queue refused {len(refused)} messages: {refused[0].get('Message')}")

    def depth(self) -> int:
        try:
            found = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=DEPTH)["Attributes"]
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"The orders queue cannot be reached: {error}") from error
        return sum(int(found[name]) for name in DEPTH)

    def check(self) -> None:
        """Asks the queue for an attribute. Raises `Unavailable`."""
        try:
            self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"The orders queue cannot be reached: {error}") from error

    def postpone(self, receipt_handle: str, seconds: int) -> None:
        """Makes a received message come back in so many seconds (0 to 43,200). Raises `Unavailable`."""
        try:
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"The orders queue cannot be reached: {error}") from error


class SqsHeartbeats:
    """The queue whose messages are beats: a schedule puts the first of each minute into it."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def schedule_next(self, number: int) -> None:
        """Has the beat of that number come `INTERVAL_SECONDS` later. Raises `Unavailable`."""
        try:
            self._client.send_message(
                QueueUrl=self._url, MessageBody=json.dumps({"beat": number}), DelaySeconds=INTERVAL_SECONDS
            )
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"The heartbeats queue cannot be reached: {error}") from error


class SqsTicks:
    """`Ticks` on SQS."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def wake(self) -> None:
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=json.dumps({"tick": "wake"}))
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"The ticks queue cannot be reached: {error}") from error

    def schedule(self, delays: Sequence[int]) -> None:
        for start in range(0, len(delays), BATCH):
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(delay), "MessageBody": json.dumps({"tick": "beat"}), "DelaySeconds": delay}
                for delay in delays[start : start + BATCH]
            ]
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError) as error:
                raise Unavailable(f"The ticks queue cannot be reached: {error}") from error
            if refused := answer.get("Failed"):
                raise Unavailable(f"The ticks queue refused {len(refused)} messages: {refused[0].get('Message')}")


class SqsStatusEvents:
    """`StatusEvents` on SQS FIFO: one message group an order keeps each order's statuses in order.

    What the orders of a worker tell at about the same time travels in one call. Each of them waits for the answer, and
    so never has two messages under way.
    """

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[tuple[SendMessageBatchRequestEntryTypeDef, Future[None]]] = []
        self._last = ("", 0.0)

    def send(self, history: History, *, connection_id: str | None = None, repeat: bool = False) -> None:
        unique = connection_id is not None or repeat
        push = Push(history_view(history), connection_id, of_user=history.user_followed)
        self._send(self._entry(push, unique=unique), history.order.id)

    def open_streams(self, messages: Sequence[Opening]) -> None:
        for message in messages:
            body = {
                "userId": message.user_id,
                "connectionId": message.connection_id,
                "subscribedAt": message.subscribed_at.isoformat(),
                "first": message.first,
                "frames": message.frames,
            }
            group, unique = f"connection:{message.connection_id}", uuid.uuid4().hex
            self._send(self._message(body, group, unique), message.connection_id)

    def requeue(self, push: Push) -> None:
        """Puts a push into its follower's own message group. Raises `Unavailable`."""
        self._send(self._entry(push, unique=True), push.history["order"]["orderId"])

    def acknowledge(self, receipt_handles: Sequence[str]) -> None:
        """Deletes up to ten received messages, so that their groups go on at once. Raises `Unavailable`."""
        entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
            {"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(receipt_handles)
        ]
        self._reach(lambda: self._client.delete_message_batch(QueueUrl=self._url, Entries=entries))

    def postpone(self, receipt_handles: Sequence[str], seconds: int) -> None:
        """Makes up to ten received messages come back in so many seconds. Raises `Unavailable`."""
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
            for number, handle in enumerate(receipt_handles)
        ]
        self._reach(lambda: self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries))

    def _entry(self, push: Push, *, unique: bool) -> SendMessageBatchRequestEntryTypeDef:
        order = push.history["order"]
        body = {
            "history": push.history,
            "connectionId": push.connection_id,
            "apart": push.apart,
            "ofUser": push.of_user,
        }
        suffix = f":{uuid.uuid4()}" if unique else ""
        group = f"{order['orderId']}:{push.connection_id}" if push.apart else order["orderId"]
        return self._message(body, group, f"{order['orderId']}:{order['sequence']}{suffix}")

    @staticmethod
    def _message(body: Mapping[str, object], group: str, unique: str) -> SendMessageBatchRequestEntryTypeDef:
        return {
            "Id": uuid.uuid4().hex,
            "MessageBody": json.dumps(body, separators=(",", ":")),
            "MessageAttributes": _request(),
            "MessageSystemAttributes": _trace(),
            "MessageGroupId": group,
            "MessageDeduplicationId": unique,
        }

    def _send(self, entry: SendMessageBatchRequestEntryTypeDef, order_id: str) -> None:
        """Sends it with whatever others wait to be sent. Raises `Unavailable`."""
        sent: Future[None] = Future()
        with self._lock:
            self._waiting.append((entry, sent))
            other, moment = self._last
            now = time.monotonic()
            in_company = other != order_id and now - moment < COMPANY_SECONDS
            self._last = (order_id, now)
        if self._turn.acquire(timeout=TURN_SECONDS):
            try:
                # Whoever had the turn before may have taken it along.
                while not sent.done():
                    if in_company:
                        time.sleep(PATIENCE_SECONDS)
                    self._send_waiting()
            finally:
                self._turn.release()
        else:
            self._give_up(sent)
        sent.result()

    def _give_up(self, sent: Future[None]) -> None:
        """Takes back what nobody has begun to send."""
        with self._lock:
            mine = [one for one in self._waiting if one[1] is sent]
            for one in mine:
                self._waiting.remove(one)
        if mine:
            sent.set_exception(Unavailable("The status-events queue takes too long."))

    def _send_waiting(self) -> None:
        with self._lock:
            together = self._waiting[: _fitting([entry for entry, _ in self._waiting])]
            del self._waiting[: len(together)]
        try:
            refused = self._send_batch([entry for entry, _ in together])
        except Unavailable as error:
            # Those that came meanwhile would only wait for the same time-out again, and their invocation has no time.
            with self._lock:
                together += self._waiting
                self._waiting.clear()
            for _, sent in together:
                sent.set_exception(error)
            return
        except Exception as error:  # noqa: BLE001 - a defect is raised where each waits; else they would wait for ever
            for _, sent in together:
                sent.set_exception(error)
            return
        for entry, sent in together:
            if entry["Id"] in refused:
                sent.set_exception(Unavailable(f"The status-events queue refused a message: {refused[entry['Id']]}"))
            else:
                sent.set_result(None)

    def _send_batch(self, entries: Sequence[SendMessageBatchRequestEntryTypeDef]) -> dict[str, str]:
        """Gives what was refused, and why, by its id. Raises `Unavailable`."""
        if len(entries) == 1:
            (entry,) = entries
            self._reach(
                lambda: self._client.send_message(
                    QueueUrl=self._url,
                    MessageBody=entry["MessageBody"],
                    MessageAttributes=entry["MessageAttributes"],
                    MessageSystemAttributes=entry["MessageSystemAttributes"],
                    MessageGroupId=entry["MessageGroupId"],
                    MessageDeduplicationId=entry["MessageDeduplicationId"],
                )
            )
            return {}
        answer = self._reach(lambda: self._client.send_message_batch(QueueUrl=self._url, Entries=entries))
        return {failed["Id"]: str(failed.get("Message", failed["Code"])) for failed in answer.get("Failed", [])}

    @staticmethod
    def _reach(call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"The status-events queue cannot be reached: {error}") from error


class SqsIssuerKeys:
    """An issuer's keys on their way into the database."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, document: KeyDocument) -> None:
        """Queues the document. Raises `Unavailable`."""
        try:
            self._client.send_message(
                QueueUrl=self._url, MessageBody=message_of(document), MessageSystemAttributes=_trace()
            )
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"The queue of issuers' keys cannot be reached: {error}") from error
