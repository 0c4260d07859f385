"""The calls of SQS that orders make, without what botocore's client does anew for each of them.

A call is SQS's JSON protocol: its parameters as JSON.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urljoin

import urllib3
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from chalicelib.adapters.signed_calls import SignedCalls

if TYPE_CHECKING:
    from botocore.session import Session

ATTEMPTS = 2
PAUSE_SECONDS = 0.1
_PROTOCOL = "application/x-amz-json-1.0"
# What SQS answers where the same call may succeed a moment later.
_THROTTLED = frozenset({"RequestThrottled", "ThrottlingException", "KmsThrottled", "OverLimit"})


class SqsCalls:
    """The methods of botocore's client that `adapters/queues.py` uses; raises what it raises.

    `longest_seconds` is how long a call may take where every attempt connects and then hangs.
    """

    def __init__(self, session: Session, *, connect_seconds: float, read_seconds: float, connections: int) -> None:
        self._calls = SignedCalls(
            session, "sqs", connect_seconds=connect_seconds, read_seconds=read_seconds, connections=connections
        )
        self.longest_seconds = ATTEMPTS * self._calls.longest_seconds + (ATTEMPTS - 1) * PAUSE_SECONDS
        self._override = os.environ.get("AWS_ENDPOINT_URL_SQS") or os.environ.get("AWS_ENDPOINT_URL")

    def send_message(self, **parameters: object) -> dict[str, Any]:
        """One message."""
        return self._call("SendMessage", parameters)

    def send_message_batch(self, **parameters: object) -> dict[str, Any]:
        """Up to ten; those that were refused stand in the answer's `Failed`."""
        return self._call("SendMessageBatch", parameters)

    def change_message_visibility(self, **parameters: object) -> dict[str, Any]:
        """Makes a received message come back later or sooner."""
        return self._call("ChangeMessageVisibility", parameters)

    def change_message_visibility_batch(self, **parameters: object) -> dict[str, Any]:
        """The same for up to ten."""
        return self._call("ChangeMessageVisibilityBatch", parameters)

    def delete_message_batch(self, **parameters: object) -> dict[str, Any]:
        """Deletes up to ten received messages."""
        return self._call("DeleteMessageBatch", parameters)

    def get_queue_attributes(self, **parameters: object) -> dict[str, Any]:
        """Such as how many messages wait."""
        return self._call("GetQueueAttributes", parameters)

    def _call(self, action: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        # A queue's address begins with its region's endpoint.
        endpoint = urljoin(self._override or str(parameters["QueueUrl"]), "/")
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
        headers = {"Content-Type": _PROTOCOL, "X-Amz-Target": f"AmazonSQS.{action}"}
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
