"""The three targets of a deployment: who is asked, and what the template needs to know there."""

import json
import os
import platform
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.exceptions import ConnectionError as AwsConnectionError

from localstack.deployment.aws_clients import Clients
from localstack.deployment.aws_target import DEFAULT_REGION, Target
from localstack.errors import UserError
from localstack.local_stack import state_file

Kind = Literal["aws", "localstack", "embedded"]
_LOCALSTACK_HOST = "localhost.localstack.cloud"
_LOCALSTACK_PORT = 4566
_HEALTH_SECONDS = 5.0
_ASKING = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 2, "mode": "standard"})
_EMULATOR_ACCOUNT = "000000000000"
# The address in localstack/docker-compose.yml, as LocalStack's function containers see it.
LOCALSTACK_DATABASE = "postgresql://orders:orders@postgres:5432/orders"


@dataclass(frozen=True)
class DeployTarget:
    """A target that answers. `parameters` are what its addresses make of the template's; `lacks` a sentence, if any."""

    kind: Kind
    target: Target
    account: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    lacks: str = ""

    @property
    def is_real(self) -> bool:
        """Whether it costs money: then a person is asked before anything is sent."""
        return self.kind == "aws"

    @property
    def has_a_front_door(self) -> bool:
        """Whether anybody may call the deployed APIs at their addresses."""
        return self.kind != "embedded" or "PublicUrl" in self.parameters

    def clients(self) -> Clients:
        """Clients of this target."""
        return Clients(self.target)


def _region_of(session: boto3.session.Session, given: str) -> str:
    region = given or session.region_name or ""
    if not region:
        raise UserError(
            "No AWS region is chosen: name one with --region (e.g. --region eu-central-1) or set AWS_REGION."
        )
    known = {
        name for part in session.get_available_partitions() for name in session.get_available_regions("lambda", part)
    }
    if region not in known:
        raise UserError(f"There is no AWS region {region!r}: name one such as us-east-1 with --region.")
    return region


def aws(region: str) -> DeployTarget:
    """The AWS account of the usual credentials (environment, profile, role).

    Raises UserError: no or unusable credentials, no such region, AWS not reachable. Only asks who it is.
    """
    # boto3 reads AWS_DEFAULT_REGION only; every other tool reads AWS_REGION first.
    chosen = region or os.environ.get("AWS_REGION", "")
    try:
        session = boto3.session.Session()
        chosen = _region_of(session, chosen)
        identity = session.client("sts", region_name=chosen, config=_ASKING).get_caller_identity()
    except ProfileNotFound as error:
        raise UserError(f"{error}: set AWS_PROFILE to one that `aws configure list-profiles` shows.") from error
    except (NoCredentialsError, PartialCredentialsError, ConfigNotFound) as error:
        raise UserError(
            "There are no AWS credentials: run `aws configure` or `aws sso login`, or set AWS_PROFILE or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from error
    except ClientError as error:
        reason = error.response.get("Error", {}).get("Message", "") or str(error)
        raise UserError(
            f"AWS does not accept these credentials ({reason}): sign in again or choose another AWS_PROFILE."
        ) from error
    except (AwsConnectionError, HTTPClientError) as error:
        raise UserError(
            f"AWS can't be reached in {chosen} ({error}): check the network, a proxy, and --region."
        ) from error
    except (NoRegionError, BotoCoreError) as error:
        raise UserError(f"The AWS settings can't be used: {error}") from error
    return DeployTarget(
        kind="aws",
        target=Target("AWS", region=chosen),
        account=identity["Account"],
    )


def localstack_host() -> str:
    """host:port that LocalStack puts into addresses: LOCALSTACK_HOST, as LocalStack itself reads it.

    Raises UserError where it is no such thing.
    """
    text = os.environ.get("LOCALSTACK_HOST", "").strip() or _LOCALSTACK_HOST
    host, _, port = text.partition(":")
    if "/" in text or not host or not (port or str(_LOCALSTACK_PORT)).isdecimal():
        raise UserError(f"LOCALSTACK_HOST is {text!r}: it takes HOST or HOST:PORT, without http://.")
    return f"{host}:{port or _LOCALSTACK_PORT}"


def localstack_parameters(host: str) -> dict[str, str]:
    """What the template needs to know on LocalStack, which calls itself `host` (host:port)."""
    machine = platform.machine()
    return {
        "DatabaseUrl": LOCALSTACK_DATABASE,
        # Reached by clients on this machine and, through LocalStack's own name server, by functions in their
        # containers: REST, WebSocket and @connections alike.
        "GatewayBaseUrl": f"http://{host}/_aws/execute-api",
        "WebSocketRouteResponse": "true",
        # Functions run in containers of this machine's processor.
        "Architecture": "arm64" if machine in ("arm64", "aarch64") else "x86_64",
    }


def localstack(region: str) -> DeployTarget:
    """A LocalStack that runs. Raises UserError where none answers."""
    host = localstack_host()
    endpoint = f"http://{host}"
    try:
        with urllib.request.urlopen(f"{endpoint}/_localstack/health", timeout=_HEALTH_SECONDS) as answer:  # noqa: S310
            health = answer.read()
    except (urllib.error.URLError, OSError) as error:
        token = "" if os.environ.get("LOCALSTACK_AUTH_TOKEN") else "export LOCALSTACK_AUTH_TOKEN=… && "
        raise UserError(
            f"LocalStack does not answer at {endpoint} ({getattr(error, 'reason', error)}): start it with "
            f"{token}docker compose -f localstack/docker-compose.yml up --wait"
        ) from error
    return DeployTarget(
        kind="localstack",
        target=Target("LocalStack", region=region or DEFAULT_REGION, endpoint_url=endpoint),
        account=_EMULATOR_ACCOUNT,
        parameters=localstack_parameters(host),
        lacks=missing_support(health),
    )


def missing_support(health: bytes) -> str:
    """What of the stack a LocalStack of this health has not: its editions differ, and say nothing while they deploy."""
    try:
        fields = json.loads(health)
        edition, services = str(fields["edition"]), set(fields["services"])
    except (ValueError, TypeError, KeyError):
        return ""
    missing = []
    if "apigatewayv2" not in services:
        missing.append("WebSocket APIs, so that nobody can follow an order")
    if edition == "community":
        missing.append("custom resources but by a plugin, so that the database is not migrated")
    return f"This LocalStack ({edition}) has no {', and no '.join(missing)}: docs/deployment.md." if missing else ""


def embedded_parameters(up: state_file.Running) -> dict[str, str]:
    """What the template needs to know beside a `./dev up`."""
    return {
        "DatabaseUrl": up.database_url,
        "GatewayBaseUrl": f"{up.emulator_url}/_aws/execute-api",
        "PublicUrl": up.url,
    }


def embedded(up: state_file.Running, stack_name: str) -> DeployTarget:
    """The `./dev up` of this clone. Another stack than its own has no front door, and gets the emulator's addresses."""
    parameters = embedded_parameters(up)
    if stack_name != up.stack_name:
        del parameters["PublicUrl"]
    return DeployTarget(
        kind="embedded",
        target=up.target("the embedded stack"),
        account=_EMULATOR_ACCOUNT,
        parameters=parameters,
    )
