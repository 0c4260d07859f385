"""What followers are told, on its way to the pushers."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from chalicelib.adapters.queues.calls import BATCH, calling, request, trace
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import History
from chalicelib.ports.queues import Opening
from chalicelib.services.posting import Push
from chalicelib.services.views import history_view

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        DeleteMessageBatchRequestEntryTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

NAME = "status-events"
# Of bytes SQS takes 256 KiB in one call, attributes and all.
BATCH_BYTES = 200_000
# How long a message waits for others where other orders told something just now.
PATIENCE_SECONDS = 0.005
COMPANY_SECONDS = 1.0
# How long it waits for a call that is under way. A worker's reserve (sqs_batch.RESERVE_MS) has room for this and for a
# call of its own; behind one that takes longer, the next status tells as much.
TURN_SECONDS = 1.0


def _fitting(entries: Sequence[SendMessageBatchRequestEntryTypeDef]) -> int:
    """How many of these fit into one call; always one."""
    room = BATCH_BYTES
    for number, entry in enumerate(entries[:BATCH]):
        room -= len(entry["MessageBody"].encode())
        if room < 0 and number:
            return number
    return min(len(entries), BATCH)


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
        with calling(NAME):
            self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def postpone(self, receipt_handles: Sequence[str], seconds: int) -> None:
        """Makes up to ten received messages come back in so many seconds. Raises `Unavailable`."""
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
            for number, handle in enumerate(receipt_handles)
        ]
        with calling(NAME):
            self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

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
            "MessageAttributes": request(),
            "MessageSystemAttributes": trace(),
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
            with calling(NAME):
                self._client.send_message(
                    QueueUrl=self._url,
                    MessageBody=entry["MessageBody"],
                    MessageAttributes=entry["MessageAttributes"],
                    MessageSystemAttributes=entry["MessageSystemAttributes"],
                    MessageGroupId=entry["MessageGroupId"],
                    MessageDeduplicationId=entry["MessageDeduplicationId"],
                )
            return {}
        with calling(NAME):
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        return {failed["Id"]: str(failed.get("Message", failed["Code"])) for failed in answer.get("Failed", [])}
