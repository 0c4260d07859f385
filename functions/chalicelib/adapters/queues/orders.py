"""Orders on their way to the workers, and what no worker could finish."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from chalicelib.adapters.queues.calls import BATCH, calling, refuse_parts, request, trace

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

THREADS = 8
DEPTH: Sequence[QueueAttributeNameType] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class SqsOrders:
    """`OrdersQueue` on SQS: a standard queue; the lease in the database makes repeats harmless."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, order_id: str) -> None:
        with calling("orders"):
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=json.dumps({"orderId": order_id}),
                MessageAttributes=request(),
                MessageSystemAttributes=trace(),
            )

    def send_many(self, order_ids: Sequence[str]) -> None:
        tens = [order_ids[start : start + BATCH] for start in range(0, len(order_ids), BATCH)]
        if tens:
            # One alone: where the queue is down, each of the others would only wait for its time-out.
            self._send_ten(tens[0])
            with ThreadPoolExecutor(THREADS, thread_name_prefix="enqueue") as threads:
                list(threads.map(self._send_ten, tens[1:]))

    def _send_ten(self, order_ids: Sequence[str]) -> None:
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": order_id, "MessageBody": json.dumps({"orderId": order_id}), "MessageSystemAttributes": trace()}
            for order_id in order_ids
        ]
        with calling("orders"):
            refuse_parts("orders", self._client.send_message_batch(QueueUrl=self._url, Entries=entries))

    def depth(self) -> int:
        with calling("orders"):
            found = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=DEPTH)["Attributes"]
        return sum(int(found[name]) for name in DEPTH)

    def check(self) -> None:
        """Asks the queue for an attribute. Raises `Unavailable`."""
        with calling("orders"):
            self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])

    def postpone(self, receipt_handle: str, seconds: int) -> None:
        """Makes a received message come back in so many seconds (0 to 43,200). Raises `Unavailable`."""
        with calling("orders"):
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )
