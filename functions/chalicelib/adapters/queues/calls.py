"""What all queues share: an outage is `Unavailable`, and a message says what it was sent for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.correlation import current
from chalicelib.domain.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import (
        MessageAttributeValueTypeDef,
        MessageSystemAttributeValueTypeDef,
        SendMessageBatchResultTypeDef,
    )

# What SQS takes in one call.
BATCH = 10


@contextmanager
def calling(queue: str) -> Iterator[None]:
    """Raises `Unavailable`, with the queue's name, where SQS does not answer or refuses the call of the block."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise Unavailable(f"The {queue} queue cannot be reached: {error}") from error


def refuse_parts(queue: str, answer: SendMessageBatchResultTypeDef) -> None:
    """Raises `Unavailable` where SQS took only some messages of a batch."""
    if refused := answer.get("Failed"):
        raise Unavailable(f"The {queue} queue refused {len(refused)} messages: {refused[0].get('Message')}")


def trace() -> dict[Literal["AWSTraceHeader"], MessageSystemAttributeValueTypeDef]:
    """Carries the X-Ray trace of this invocation on to whoever receives the message."""
    header = os.environ.get("_X_AMZN_TRACE_ID")
    return {"AWSTraceHeader": {"DataType": "String", "StringValue": header}} if header else {}


def request() -> dict[str, MessageAttributeValueTypeDef]:
    """Carries the id of the request that all of this is about, for the receiver's log lines."""
    request_id = current().get("request_id")
    return {"requestId": {"DataType": "String", "StringValue": str(request_id)}} if request_id else {}
