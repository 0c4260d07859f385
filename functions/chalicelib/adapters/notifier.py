"""Posting to WebSocket connections through API Gateway's management endpoint."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

import urllib3
from botocore.exceptions import BotoCoreError

from chalicelib.adapters.aws.signed_calls import SignedCalls
from chalicelib.ports.followers import Delivery
from chalicelib.ports.runtime import Telemetry

GONE = 410
_REASON_LENGTH = 300


class ApiGatewayNotifier:
    """`Notifier` on API Gateway; `endpoint` ends with the stage."""

    def __init__(self, calls: SignedCalls, endpoint: str, telemetry: Telemetry) -> None:
        self._calls = calls
        self._endpoint = endpoint
        self._telemetry = telemetry

    def post(self, connection_id: str, text: str) -> Delivery:
        """BUSY stands for whatever may pass: throttling, 5xx, a time-out."""
        status, reason = self._ask("POST", connection_id, text.encode())
        if status < 300:
            return Delivery.DELIVERED
        if status == GONE:
            return Delivery.GONE
        # The pusher treats all of these alike, whoever looks for the cause must not.
        self._telemetry.warn("post_refused", connection_id=connection_id, reason=reason)
        return Delivery.BUSY

    def close(self, connection_id: str) -> bool:
        status, reason = self._ask("DELETE", connection_id, b"")
        if status >= 300:
            self._telemetry.warn("close_refused", connection_id=connection_id, reason=reason)
        return status < 300

    def _ask(self, method: str, connection_id: str, body: bytes) -> tuple[int, str]:
        """The answer's status, 503 where there was none, and what it says."""
        url = f"{self._endpoint}/@connections/{quote(connection_id, safe='')}"
        try:
            status, answer = self._calls.send(method, url, body, {})
        except (urllib3.exceptions.HTTPError, BotoCoreError) as error:
            return HTTPStatus.SERVICE_UNAVAILABLE, str(error)
        return status, f"{status} {answer.decode(errors='replace')[:_REASON_LENGTH]}"
