"""How every AWS client behaves: short waits, few retries, one client a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient
    from mypy_boto3_sqs import SQSClient

MAX_POOL_CONNECTIONS = 32


def _config(attempts: int) -> Config:
    return Config(
        connect_timeout=1,
        read_timeout=3,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        max_pool_connections=MAX_POOL_CONNECTIONS,
    )


def sqs_client() -> SQSClient:
    """SQS, given up after about two seconds: what could not be queued is repaired by reconcile."""
    client: SQSClient = boto3.client("sqs", config=_config(attempts=3))
    return client


def websocket_client(endpoint: str) -> ApiGatewayManagementApiClient:
    """The WebSocket API's management endpoint; retries are the pusher's own business.

    Chalice's `app.websocket_api` always calls *.execute-api.amazonaws.com and cannot reach an emulator.
    """
    client: ApiGatewayManagementApiClient = boto3.client(
        "apigatewaymanagementapi", endpoint_url=endpoint, config=_config(attempts=1)
    )
    return client
