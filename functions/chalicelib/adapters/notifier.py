"""Posting to WebSocket connections through API Gateway's management endpoint."""

from __future__ import annotations

from urllib.parse import quote

import urllib3
from botocore.exceptions import BotoCoreError

from chalicelib.adapters.signed_calls import SignedCalls
from chalicelib.services.followers import Delivery
from chalicelib.services.ports import Telemetry

GONE = 410


class ApiGatewayNotifier:
    """`Notifier` on API Gateway; `endpoint` ends with the stage."""

    def __init__(self, calls: SignedCalls, endpoint: str, telemetry: Telemetry) -> None:
        self._calls = calls
        self._endpoint = endpoint
        self._telemetry = telemetry

    def post(self, connection_id: str, text: str) -> Delivery:
        """BUSY stands for whatever may pass: throttling, 5xx, a time-out."""
        refusal = self._refusal("POST", connection_id, text.encode())
        if refusal is None:
            return Delivery.DELIVERED
        if refusal == GONE:
            return Delivery.GONE
        # The pusher treats all of these alike, whoever looks for the cause must not.
        self._telemetry.warn("post_refused", connection_id=connection_id, reason=str(refusal))
        return Delivery.BUSY

    def close(self, connection_id: str) -> bool:
        refusal = self._refusal("DELETE", connection_id, b"")
        if refusal is not None:
            self._telemetry.warn("close_refused", connection_id=connection_id, reason=str(refusal))
        return refusal is None

    def _refusal(self, method: str, connection_id: str, body: bytes) -> int | Exception | None:
        """The status of a refusal, or why there was no answer; None where it was done."""
        url = f"{self._endpoint}/@connections/{quote(connection_id, safe='')}"
        try:
            status, _ = self._calls.send(method, url, body, {})
        except (urllib3.exceptions.HTTPError, BotoCoreError) as error:
            return error
        return None if status < 300 else status
