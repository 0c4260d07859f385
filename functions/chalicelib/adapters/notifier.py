"""Posting to WebSocket connections through API Gateway's management endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.services.followers import Delivery
from chalicelib.services.ports import Telemetry

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

GONE = 410


class ApiGatewayNotifier:
    """`Notifier` on API Gateway."""

    def __init__(self, client: ApiGatewayManagementApiClient, telemetry: Telemetry) -> None:
        self._client = client
        self._telemetry = telemetry

    def post(self, connection_id: str, text: str) -> Delivery:
        """BUSY stands for whatever may pass: throttling, 5xx, a time-out."""
        try:
            self._client.post_to_connection(ConnectionId=connection_id, Data=text.encode())
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return Delivery.GONE if status == GONE else self._busy(connection_id, error)
        except BotoCoreError as error:
            return self._busy(connection_id, error)
        return Delivery.DELIVERED

    def close(self, connection_id: str) -> bool:
        try:
            self._client.delete_connection(ConnectionId=connection_id)
        except (BotoCoreError, ClientError) as error:
            self._telemetry.warn("close_refused", connection_id=connection_id, reason=str(error))
            return False
        return True

    def _busy(self, connection_id: str, error: Exception) -> Delivery:
        # The pusher treats all of these alike, whoever looks for the cause must not.
        self._telemetry.warn("post_refused", connection_id=connection_id, reason=str(error))
        return Delivery.BUSY
