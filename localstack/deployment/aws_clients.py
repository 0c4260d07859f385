"""Clients of whatever a stack is deployed on."""

import functools
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import boto3
import localstack_client.session
from botocore.client import BaseClient
from botocore.config import Config

from localstack.deployment.aws_target import Target

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=70,
    retries={"total_max_attempts": 4, "mode": "standard"},
    max_pool_connections=20,
)


class Clients:
    """Clients of one target, each made at its first use; safe to share between threads."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def close(self) -> None:
        """Closes the connections of every client that was made."""
        for made in list(vars(self).values()):
            if isinstance(made, BaseClient):
                made.close()

    def _client(self, service: str) -> object:
        if self.target.endpoint_url is None:
            session = boto3.session.Session(region_name=self.target.region)
            return cast("object", session.client(service, config=_CONFIG))
        emulator = localstack_client.session.Session(
            aws_access_key_id=self.target.access_key,
            aws_secret_access_key=self.target.access_key,
            region_name=self.target.region,
            localstack_host=urlsplit(self.target.endpoint_url).netloc,
        )
        return cast("object", emulator.client(service, config=_CONFIG))

    def other(self, service: str) -> Any:
        """A client of a service that is needed too rarely for stubs. Whoever asks closes it."""
        return self._client(service)

    def count_messages(self, queue_url: str) -> int:
        """How many messages are in the queue, those that somebody works on included."""
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        )["Attributes"]
        return sum(int(count) for count in attributes.values())

    @functools.cached_property
    def cloudformation(self) -> "CloudFormationClient":
        return cast("CloudFormationClient", self._client("cloudformation"))

    @functools.cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return cast("DynamoDBClient", self._client("dynamodb"))

    @functools.cached_property
    def functions(self) -> "LambdaClient":
        return cast("LambdaClient", self._client("lambda"))

    @functools.cached_property
    def logs(self) -> "CloudWatchLogsClient":
        return cast("CloudWatchLogsClient", self._client("logs"))

    @functools.cached_property
    def s3(self) -> "S3Client":
        return cast("S3Client", self._client("s3"))

    @functools.cached_property
    def sqs(self) -> "SQSClient":
        return cast("SQSClient", self._client("sqs"))
