"""How every AWS client behaves: short waits, few retries, one client a container.

What orders, statuses and frames need goes by signed_calls.py, all else by botocore's own clients: boto3 would only add
45 ms of imports (S3 transfers) to each cold start.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from botocore.session import Session, get_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient

    from chalicelib.adapters.aws.dynamo_calls import DynamoCalls
    from chalicelib.adapters.aws.signed_calls import SignedCalls

MAX_POOL_CONNECTIONS = 32


@cache
def _session() -> Session:
    """One for all clients: each session reads botocore's tables of regions and services anew."""
    return get_session()


def token_signer(region: str, host: str, port: int, user: str) -> Callable[[], str]:
    """Makes IAM tokens, good for 15 minutes, for logging in to a database. No service is asked."""
    rds: Any = _session().create_client("rds", region_name=region)
    return lambda: str(rds.generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user))


def sqs_client() -> SQSClient:
    """SQS, given up after 5 s at most: what could not be queued is repaired by reconcile.

    A worker's reserve (sqs_batch.RESERVE_MS) has room for one such call behind its last step.
    """
    from chalicelib.adapters.aws.json_calls import JsonCalls
    from chalicelib.adapters.aws.sqs_calls import SqsCalls

    calls = JsonCalls(_session(), "sqs", connect_seconds=0.5, read_seconds=1.5, connections=MAX_POOL_CONNECTIONS)
    return cast("SQSClient", SqsCalls(calls))


def dynamo_calls() -> DynamoCalls:
    """DynamoDB for PynamoDB, given up after 3.6 s.

    A pusher's reserve (sqs_batch.RESERVE_MS) has room for one such call behind its last post.
    """
    from chalicelib.adapters.aws.dynamo_calls import DynamoCalls
    from chalicelib.adapters.aws.json_calls import JsonCalls

    calls = JsonCalls(_session(), "dynamodb", connect_seconds=0.5, read_seconds=1.25, connections=MAX_POOL_CONNECTIONS)
    return DynamoCalls(_session(), calls)


def websocket_calls() -> SignedCalls:
    """For the WebSocket API's management endpoint; retries are the pusher's own business.

    Chalice's `app.websocket_api` always calls *.execute-api.amazonaws.com and cannot reach an emulator.
    """
    from chalicelib.adapters.aws.signed_calls import SignedCalls

    return SignedCalls(_session(), "execute-api", connect_seconds=0.5, read_seconds=2, connections=MAX_POOL_CONNECTIONS)
