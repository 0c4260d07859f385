"""The queues."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.correlation import bound
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import History
from chalicelib.services.heartbeat import INTERVAL_SECONDS
from chalicelib.services.issuer_keys import KeyDocument, message_of
from chalicelib.services.push_status import Push
from chalicelib.services.views import HistoryView, history_view

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

# What SQS takes in one call.
BATCH = 10
THREADS = 8
DEPTH: Sequence[QueueAttributeNameType] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def _trace() -> dict[Literal["AWSTraceHeader"], MessageSystemAttributeValueTypeDef]:
    """Carries the X-Ray trace of this invocation on to whoever receives the message."""
    header = os.environ.get("_X_AMZN_TRACE_ID")
    return {"AWSTraceHeader": {"DataType": "String", "StringValue": header}} if header else {}


def _request() -> dict[str, MessageAttributeValueTypeDef]:
    """Carries the id of the request that all of this is about, for the receiver's log lines."""
    request_id = bound().get("request_id")
    return {"requestId": {"DataType": "String", "StringValue": str(request_id)}} if request_id else {}


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


class SqsStatusEvents:
    """`StatusEvents` on SQS FIFO: one message group an order keeps each order's statuses in order."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, history: History, *, connection_id: str | None = None, repeat: bool = False) -> None:
        unique = connection_id is not None or repeat
        self._send(history_view(history), connection_id, unique=unique)

    def requeue(self, push: Push) -> None:
        """Puts a push into its follower's own message group. Raises `Unavailable`."""
        self._send(push.history, push.connection_id, apart=True, unique=True)

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

    def _send(self, history: HistoryView, connection_id: str | None, *, apart: bool = False, unique: bool) -> None:
        order = history["order"]
        body = {"history": history, "connectionId": connection_id, "apart": apart}
        suffix = f":{uuid.uuid4()}" if unique else ""
        group = f"{order['orderId']}:{connection_id}" if apart else order["orderId"]
        self._reach(
            lambda: self._client.send_message(
                QueueUrl=self._url,
                MessageBody=json.dumps(body, separators=(",", ":")),
                MessageAttributes=_request(),
                MessageSystemAttributes=_trace(),
                MessageGroupId=group,
                MessageDeduplicationId=f"{order['orderId']}:{order['sequence']}{suffix}",
            )
        )

    @staticmethod
    def _reach(call: Callable[[], object]) -> None:
        try:
            call()
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
