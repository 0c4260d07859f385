"""Deploys template.yaml to the emulator of `./dev up`, in a second: packages, uploads, creates or updates, waits.

Everything else is deployed by SAM CLI (commands/deploy.py).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from localstack.deployment.aws_clients import Clients
from localstack.deployment.stacks import NEVER_CAME_UP, describe, failures
from localstack.errors import UserError
from localstack.packaging import source_zip, template

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.literals import CapabilityType
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef

_CAPABILITIES: tuple["CapabilityType", ...] = ("CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
_DONE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Outputs:
    """What the deployed stack tells about itself."""

    stack_name: str
    values: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        try:
            return self.values[name]
        except KeyError:
            raise UserError(
                f"The stack {self.stack_name} has no output {name}: template.yaml must define it."
            ) from None

    @property
    def rest_url(self) -> str:
        return self["RestApiUrl"]

    @property
    def websocket_url(self) -> str:
        return self["WebSocketUrl"]

    @property
    def function_names(self) -> Mapping[str, str]:
        """Function name by its logical name without `Function`, e.g. `Reconcile`."""
        suffix = "FunctionName"
        return {name.removesuffix(suffix): value for name, value in self.values.items() if name.endswith(suffix)}


@dataclass(frozen=True)
class Deployment:
    """What to deploy, and how long it may take. A parameter that isn't given gets the template's default."""

    name: str
    path: Path
    parameters: Mapping[str, str]
    bucket: str
    limit_seconds: float = 120.0
    package: Callable[[Path], source_zip.Artifact] = source_zip.build


class _Uploader:
    """Uploads each folder and template once, under names that their content gives them."""

    def __init__(self, clients: Clients, deployment: Deployment) -> None:
        self._clients = clients
        self._deployment = deployment
        self._uploaded: dict[Path, template.Uploaded] = {}

    def _put(self, path: Path, key: str, content: bytes) -> template.Uploaded:
        bucket = self._deployment.bucket
        self._clients.s3.put_object(Bucket=bucket, Key=key, Body=content)
        uploaded = template.Uploaded(bucket, key, self._clients.target.template_url(bucket, key))
        self._uploaded[path] = uploaded
        return uploaded

    def code(self, folder: Path) -> template.Uploaded:
        if folder in self._uploaded:
            return self._uploaded[folder]
        if not folder.is_dir():
            raise UserError(f"The template names {folder} as a function's code, and there is no such folder.")
        artifact = self._deployment.package(folder)
        return self._put(folder, f"{self._deployment.name}/{folder.name}-{artifact.digest}.zip", artifact.content)

    def template(self, path: Path) -> template.Uploaded:
        if path in self._uploaded:
            return self._uploaded[path]
        if not path.is_file():
            raise UserError(f"There is no template {path}.")
        body = template.resolve(path, self).encode()
        return self._put(path, f"{self._deployment.name}/{source_zip.digest_of(body)}.template", body)


def outputs(clients: Clients, name: str) -> Outputs:
    """The outputs of a deployed stack; raises UserError where there is none."""
    stack = describe(clients, name)
    if stack is None:
        raise UserError(f"There is no stack {name} on {clients.target.name}: deploy it first.")
    return Outputs(name, {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])})


def _wait(clients: Clients, deployment: Deployment, stack_id: str) -> str:
    """The stack's first status that is not IN_PROGRESS; raises UserError past the limit."""
    deadline = time.monotonic() + deployment.limit_seconds
    while (status := _status(clients, stack_id)).endswith("_IN_PROGRESS"):
        if time.monotonic() > deadline:
            raise UserError(
                f"The deployment of the stack {deployment.name} on {clients.target.name} took more than "
                f"{deployment.limit_seconds:.0f} s and is still {status}: look at the stack's events."
            )
        time.sleep(_POLL_SECONDS)
    return status


def _status(clients: Clients, name: str) -> str:
    stack = describe(clients, name)
    return "DELETE_COMPLETE" if stack is None else stack["StackStatus"]


def _send(clients: Clients, deployment: Deployment, url: str) -> str | None:
    """The id of the stack that is now created or updated, None where there is nothing to change."""
    parameters: list[ParameterTypeDef] = [
        {"ParameterKey": name, "ParameterValue": value} for name, value in deployment.parameters.items()
    ]
    now = describe(clients, deployment.name)
    if now is not None and now["StackStatus"] in (*NEVER_CAME_UP, "DELETE_FAILED"):
        clients.cloudformation.delete_stack(StackName=now["StackId"])
        _wait(clients, deployment, now["StackId"])
        now = None
    change = clients.cloudformation.create_stack if now is None else clients.cloudformation.update_stack
    try:
        return change(StackName=deployment.name, TemplateURL=url, Capabilities=_CAPABILITIES, Parameters=parameters)[
            "StackId"
        ]
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return None
        raise UserError(f"{clients.target.name} refuses the template: {error}") from error


def deploy(clients: Clients, deployment: Deployment) -> Outputs:
    """Creates or updates the stack and waits for it.

    Raises UserError naming each resource that failed and its reason.
    """
    started = time.time() - 1
    uploaded = _Uploader(clients, deployment).template(deployment.path)
    stack_id = _send(clients, deployment, uploaded.url)
    if stack_id is not None and (status := _wait(clients, deployment, stack_id)) not in _DONE:
        raise UserError(
            f"The stack {deployment.name} could not be deployed on {clients.target.name} ({status}):\n"
            f"{failures(clients, stack_id, started)}"
        )
    return outputs(clients, deployment.name)
