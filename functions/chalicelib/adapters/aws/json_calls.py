"""Calls of AWS services that speak JSON (SQS, DynamoDB), without what botocore's client does anew for each of them."""

from __future__ import annotations

import json
import os
import random
import time
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urljoin

import urllib3
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from chalicelib.adapters.aws.signed_calls import SignedCalls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.session import Session

ATTEMPTS = 2
PAUSE_SECONDS = 0.1
_PROTOCOL = "application/x-amz-json-1.0"
# Each service's name in a call's target.
_TARGETS = {"sqs": "AmazonSQS", "dynamodb": "DynamoDB_20120810"}
# What they answer where the same call may succeed a moment later.
_THROTTLED = frozenset(
    {
        "RequestThrottled",
        "ThrottlingException",
        "KmsThrottled",
        "OverLimit",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "TransactionInProgressException",
    }
)


class JsonCalls:
    """One service's calls, each tried twice; raises what botocore's client raises.

    `longest_seconds` is how long a call may take where every attempt connects and then hangs.
    """

    def __init__(
        self, session: Session, service: str, *, connect_seconds: float, read_seconds: float, connections: int
    ) -> None:
        self._calls = SignedCalls(
            session, service, connect_seconds=connect_seconds, read_seconds=read_seconds, connections=connections
        )
        self.longest_seconds = ATTEMPTS * self._calls.longest_seconds + (ATTEMPTS - 1) * PAUSE_SECONDS
        self._target = _TARGETS[service]
        self._override = os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or os.environ.get("AWS_ENDPOINT_URL")

    def call(self, action: str, parameters: Mapping[str, object], endpoint: str) -> dict[str, Any]:
        """The answer's fields. `endpoint` is the service's address, where the environment names no other."""
        endpoint = urljoin(self._override or endpoint, "/")
        body = json.dumps({name: value for name, value in parameters.items() if value != {}}).encode()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                status, answer = self._ask(endpoint, action, body)
            except urllib3.exceptions.HTTPError as error:
                if attempt == ATTEMPTS:
                    unheard = isinstance(error, urllib3.exceptions.ReadTimeoutError)
                    kind = ReadTimeoutError if unheard else EndpointConnectionError
                    raise kind(endpoint_url=endpoint, error=error) from error
            else:
                if status < 300:
                    return answer
                refusal = _refusal(action, status, answer)
                may_succeed = status >= 500 or refusal.response["Error"]["Code"] in _THROTTLED
                if attempt == ATTEMPTS or not may_succeed:
                    raise refusal
            time.sleep(random.uniform(0, PAUSE_SECONDS))
        raise AssertionError("unreachable")

    def _ask(self, endpoint: str, action: str, body: bytes) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": _PROTOCOL, "X-Amz-Target": f"{self._target}.{action}"}
        status, answer = self._calls.send("POST", endpoint, body, headers)
        return status, _fields(answer)


def _fields(text: bytes) -> dict[str, Any]:
    """The answer's fields; none where somebody in between answered with something else, or nothing."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _refusal(action: str, status: int, answer: Mapping[str, Any]) -> ClientError:
    code = str(answer.get("__type", status)).rpartition("#")[2]
    message = str(answer.get("message") or answer.get("Message") or f"It answered {status}.")
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        action,
    )
