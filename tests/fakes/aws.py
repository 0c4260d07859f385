"""AWS in memory, and the events that Lambda is called with."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
# What a schedule's rule sends.
SCHEDULED = {
    "version": "0",
    "id": "1",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "000000000000",
    "time": "2026-11-22T18:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail": {},
}
_numbers = itertools.count(1)


@contextmanager
def credentials() -> Iterator[None]:
    """A region and credentials that open nothing."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        yield


@contextmanager
def aws_in_memory() -> Iterator[None]:
    """AWS in memory for whoever builds a client inside."""
    with credentials(), mock_aws():
        yield


@dataclass(frozen=True)
class LambdaContext:
    """What Lambda tells of the invocation."""

    remaining_ms: int = 20_000
    aws_request_id: str = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the function."""
        return self.remaining_ms


def sqs_record(
    body: str, *, message_id: str | None = None, group: str | None = None, receives: int = 1
) -> dict[str, object]:
    """A record as the event source makes it; ids differ, unlike those of Chalice's test client."""
    number = next(_numbers)
    attributes: dict[str, object] = {
        "ApproximateReceiveCount": str(receives),
        "SentTimestamp": "1795370400000",
        "SenderId": "AIDA",
        "ApproximateFirstReceiveTimestamp": "1795370400001",
    }
    if group is not None:
        attributes |= {
            "MessageGroupId": group,
            "SequenceNumber": f"{number:020d}",
            "MessageDeduplicationId": str(number),
        }
    return {
        "messageId": message_id or f"message-{number}",
        "receiptHandle": f"handle-{number}",
        "body": body,
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:queue",
        "awsRegion": "us-east-1",
    }


class Record:
    """A record as Chalice wraps it."""

    def __init__(self, content: dict[str, object]) -> None:
        self._content = content

    def to_dict(self) -> dict[str, object]:
        """The record itself."""
        return self._content


def sqs_event(records: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """A batch."""
    return {"Records": [dict(record) for record in records]}


def record_of(message: "MessageTypeDef") -> dict[str, object]:
    """The record of a message received from a queue."""
    return {
        **sqs_record(message["Body"], message_id=message["MessageId"]),
        "receiptHandle": message["ReceiptHandle"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: {"stringValue": value.get("StringValue"), "dataType": value["DataType"]}
            for name, value in message.get("MessageAttributes", {}).items()
        },
    }


def drain(sqs: "SQSClient", url: str) -> "list[MessageTypeDef]":
    """Everything in the queue, deleted from it, in order; a FIFO group gives its next messages only then."""
    found: list[MessageTypeDef] = []
    while batch := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
    ).get("Messages"):
        found += batch
        for message in batch:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def websocket_event(
    route: str, connection_id: str = "c=", *, query: Mapping[str, str] | None = None, body: str | None = None
) -> dict[str, object]:
    """What API Gateway sends for a WebSocket route."""
    event: dict[str, object] = {
        "requestContext": {
            "routeKey": route,
            "eventType": {"$connect": "CONNECT", "$disconnect": "DISCONNECT"}.get(route, "MESSAGE"),
            "connectionId": connection_id,
            "requestId": "request-1",
            "domainName": "api.execute-api.us-east-1.amazonaws.com",
            "apiId": "api",
            "stage": "live",
            "connectedAt": 1795370400000,
        },
        "isBase64Encoded": False,
    }
    if query is not None:
        event["queryStringParameters"] = dict(query)
    if body is not None:
        event["body"] = body
    return event


def create_connections_table(name: str) -> None:
    """The connections table, as template.yaml has it."""
    boto3.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "order_id", "AttributeType": "S"},
            {"AttributeName": "connection_id", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "order_id", "KeyType": "HASH"},
            {"AttributeName": "connection_id", "KeyType": "RANGE"},
        ],
    )
