"""Where a stack is deployed, and the clients that talk to it."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import boto3
import localstack_client.session
from botocore.client import BaseClient
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

DEFAULT_REGION = "us-east-1"
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=70,
    retries={"total_max_attempts": 4, "mode": "standard"},
    max_pool_connections=20,
)
# The emulators' root: the only credentials they accept without having been told of them.
EMULATOR_KEY = "test"


@dataclass(frozen=True)
class Target:
    """An AWS account in a region, or an emulator's address."""

    name: str
    region: str = DEFAULT_REGION
    endpoint_url: str | None = None

    def template_url(self, bucket: str, key: str) -> str:
        """Where CloudFormation fetches an uploaded template."""
        if self.endpoint_url:
            return f"{self.endpoint_url}/{bucket}/{key}"
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        # In the path, as `aws cloudformation package` and `sam deploy` write it: the only form that MiniStack reads.
        return f"https://s3.{self.region}.{suffix}/{bucket}/{key}"


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
            aws_access_key_id=EMULATOR_KEY,
            aws_secret_access_key=EMULATOR_KEY,
            region_name=self.target.region,
            localstack_host=urlsplit(self.target.endpoint_url).netloc,
        )
        return cast("object", emulator.client(service, config=_CONFIG))

    def other(self, service: str) -> Any:
        """A client of a service that is needed too rarely for stubs. Whoever asks closes it."""
        return self._client(service)

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
