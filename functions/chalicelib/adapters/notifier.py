"""Posting to WebSocket connections through API Gateway's management endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.services.followers import Delivery

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

GONE = 410


class ApiGatewayNotifier:
    """`Notifier` on API Gateway."""

    def __init__(self, client: ApiGatewayManagementApiClient) -> None:
        self._client = client

    def post(self, connection_id: str, text: str) -> Delivery:
        """BUSY stands for whatever may pass: throttling, 5xx, a time-out."""
        try:
            self._client.post_to_connection(ConnectionId=connection_id, Data=text.encode())
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return Delivery.GONE if status == GONE else Delivery.BUSY
        except BotoCoreError:
            return Delivery.BUSY
        return Delivery.DELIVERED

    def close(self, connection_id: str) -> bool:
        try:
            self._client.delete_connection(ConnectionId=connection_id)
        except (BotoCoreError, ClientError):
            return False
        return True
