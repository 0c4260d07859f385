"""SQS messages as functions receive them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib.domain.order import is_order_id


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
