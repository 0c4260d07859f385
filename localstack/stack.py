"""Deploys template.yaml: packages, uploads, creates a change set, executes it and waits."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from localstack import changes, events, packaging, template
from localstack.errors import LocalStackError
from localstack.target import Clients

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_cloudformation.literals import CapabilityType
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackTypeDef

_CAPABILITIES: tuple["CapabilityType", ...] = (
    "CAPABILITY_IAM",
    "CAPABILITY_NAMED_IAM",
    "CAPABILITY_AUTO_EXPAND",
)
_CHANGE_SET = "deploy"
_UNDER_REVIEW = "REVIEW_IN_PROGRESS"
_NEVER_DEPLOYED = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"})
_DONE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})


@dataclass(frozen=True)
class Outputs:
    """What the deployed stack tells about itself."""

    stack_name: str
    values: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        try:
            return self.values[name]
        except KeyError:
            raise LocalStackError(
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


def _agree(_: Sequence[changes.Change]) -> bool:
    return True


def _say_nothing(_: str) -> None:
    pass


@dataclass(frozen=True)
class Deployment:
    """What to deploy, and how long it may take.

    `approve` is shown the changes before they are made; `report` is told what happens. With `keep_parameters` a
    parameter that isn't given stays as it was deployed, else it goes back to the template's default. With
    `replace_failed` a stack that never came up is deleted first; without it, that is left to a person.
    """

    name: str
    path: Path
    parameters: Mapping[str, str]
    bucket: str
    limit_seconds: float = 120.0
    poll_seconds: float = 0.1
    package: "Callable[[Path], packaging.Artifact]" = packaging.build
    tags: Mapping[str, str] = field(default_factory=dict)
    approve: "Callable[[Sequence[changes.Change]], bool]" = _agree
    report: "Callable[[str], None]" = _say_nothing
    keep_parameters: bool = False
    replace_failed: bool = True


class _Uploader:
    """Uploads each folder and template once, under names that their content gives them."""

    def __init__(self, clients: Clients, deployment: Deployment) -> None:
        self._clients = clients
        self._deployment = deployment
        self._uploaded: dict[Path, template.Uploaded] = {}

    def _put(self, path: Path, key: str, content: bytes) -> template.Uploaded:
        bucket = self._deployment.bucket
        self._deployment.report(f"uploading {key} ({len(content) / 1000:,.0f} kB)")
        self._clients.s3.put_object(Bucket=bucket, Key=key, Body=content)
        uploaded = template.Uploaded(bucket, key, self._clients.target.template_url(bucket, key))
        self._uploaded[path] = uploaded
        return uploaded

    def code(self, folder: Path) -> template.Uploaded:
        if folder in self._uploaded:
            return self._uploaded[folder]
        if not folder.is_dir():
            raise LocalStackError(f"The template names {folder} as a function's code, and there is no such folder.")
        artifact = self._deployment.package(folder)
        return self._put(folder, f"{self._deployment.name}/{folder.name}-{artifact.digest}.zip", artifact.content)

    def template(self, path: Path) -> template.Uploaded:
        if path in self._uploaded:
            return self._uploaded[path]
        if not path.is_file():
            raise LocalStackError(f"There is no template {path}.")
        body = template.resolve(path, self).encode()
        return self._put(path, f"{self._deployment.name}/{packaging.digest_of(body)}.template", body)


def _describe(clients: Clients, name: str) -> "StackTypeDef | None":
    try:
        return clients.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def outputs(clients: Clients, name: str) -> Outputs:
    """The outputs of a deployed stack; raises LocalStackError where there is none."""
    stack = _describe(clients, name)
    if stack is None:
        raise LocalStackError(f"There is no stack {name} on {clients.target.name}: deploy it first.")
    return Outputs(name, {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])})


def _wait(
    clients: Clients,
    deployment: Deployment,
    status: "Callable[[], str]",
    what: str,
    watch: events.Watch | None = None,
) -> str:
    """The first status that is not IN_PROGRESS, telling the events meanwhile; raises LocalStackError past the limit."""
    deadline = time.monotonic() + deployment.limit_seconds
    while (now := status()).endswith("_IN_PROGRESS") or now in ("CREATE_PENDING", ""):
        _tell(deployment, watch)
        if time.monotonic() > deadline:
            raise LocalStackError(
                f"{what} of the stack {deployment.name} on {clients.target.name} took more than "
                f"{deployment.limit_seconds:.0f} s and is still {now}: look at the stack's events."
            )
        time.sleep(deployment.poll_seconds)
    _tell(deployment, watch)
    return now


def _tell(deployment: Deployment, watch: events.Watch | None) -> None:
    if watch is None or deployment.report is _say_nothing:
        return
    for event in watch.new():
        deployment.report(f"{event.status} {event.path}{f': {event.reason}' if event.failed else ''}")


def _stack_status(clients: Clients, name: str) -> str:
    stack = _describe(clients, name)
    return "DELETE_COMPLETE" if stack is None else stack["StackStatus"]


def delete(clients: Clients, deployment: Deployment) -> None:
    """Deletes the stack where it exists and waits until it is gone.

    Raises LocalStackError naming each resource that can't be deleted and its reason.
    """
    stack = _describe(clients, deployment.name)
    if stack is None:
        return
    started = time.time() - 1
    # By its id from here on: a stack that is gone has no name.
    stack_id = stack["StackId"]
    clients.cloudformation.delete_stack(StackName=stack_id)
    watch = events.Watch(clients, stack_id, started)
    status = _wait(clients, deployment, lambda: _stack_status(clients, stack_id), "Deleting", watch)
    if status != "DELETE_COMPLETE":
        raise LocalStackError(
            f"The stack {deployment.name} could not be deleted ({status}):\n"
            f"{events.failures(clients, stack_id, started)}"
        )


def _is_update(clients: Clients, deployment: Deployment) -> bool:
    """Whether there is a stack to change; raises LocalStackError where one is there that can't be changed."""
    stack = _describe(clients, deployment.name)
    if stack is None or stack["StackStatus"] == _UNDER_REVIEW:
        return False
    if stack["StackStatus"] not in _NEVER_DEPLOYED:
        return True
    if not deployment.replace_failed:
        raise LocalStackError(
            f"The stack {deployment.name} is in the state {stack['StackStatus']}, which CloudFormation can't change: "
            "look at what is left in it, delete it with ./dev destroy, then deploy again."
        )
    delete(clients, deployment)
    return False


def _parameters(clients: Clients, deployment: Deployment, *, update: bool) -> "list[ParameterTypeDef]":
    given: list[ParameterTypeDef] = [
        {"ParameterKey": name, "ParameterValue": value} for name, value in deployment.parameters.items()
    ]
    if update and deployment.keep_parameters:
        stack = _describe(clients, deployment.name)
        known = set(template.parameters(deployment.path)) - set(deployment.parameters)
        deployed = {item["ParameterKey"] for item in stack.get("Parameters", [])} if stack is not None else set()
        given += [{"ParameterKey": name, "UsePreviousValue": True} for name in sorted(known & deployed)]
    return given


def _execute_change_set(clients: Clients, deployment: Deployment, template_url: str, *, update: bool) -> str | None:
    """The stack's status after the change, None where there is nothing to change.

    Raises LocalStackError where CloudFormation refuses the template.
    """
    try:
        change_set = clients.cloudformation.create_change_set(
            StackName=deployment.name,
            ChangeSetName=f"{_CHANGE_SET}-{time.time_ns()}",
            ChangeSetType="UPDATE" if update else "CREATE",
            TemplateURL=template_url,
            Capabilities=_CAPABILITIES,
            Parameters=_parameters(clients, deployment, update=update),
            Tags=[{"Key": name, "Value": value} for name, value in deployment.tags.items()],
        )
    except ClientError as error:
        raise LocalStackError(f"{clients.target.name} refuses the template: {error}") from error

    def status() -> str:
        return clients.cloudformation.describe_change_set(ChangeSetName=change_set["Id"])["Status"]

    if _wait(clients, deployment, status, "The change set") != "CREATE_COMPLETE":
        described = clients.cloudformation.describe_change_set(ChangeSetName=change_set["Id"])
        reason = described.get("StatusReason", "")
        clients.cloudformation.delete_change_set(ChangeSetName=change_set["Id"])
        if "didn't contain changes" in reason or "No updates are to be performed" in reason:
            return None
        raise LocalStackError(f"{clients.target.name} refuses the change set: {reason}")
    if not deployment.approve(changes.read(clients.cloudformation, change_set["Id"])):
        clients.cloudformation.delete_change_set(ChangeSetName=change_set["Id"])
        raise LocalStackError(f"Nothing was changed: the change set of {deployment.name} was declined.")
    clients.cloudformation.execute_change_set(ChangeSetName=change_set["Id"])
    # A second earlier: the other side's clock decides what is new.
    watch = events.Watch(clients, deployment.name, time.time() - 1)

    def outcome() -> str:
        # Until the execution has begun the stack still shows the status of the one before.
        described = clients.cloudformation.describe_change_set(ChangeSetName=change_set["Id"])
        if described.get("ExecutionStatus") in ("AVAILABLE", "EXECUTE_IN_PROGRESS"):
            return "EXECUTE_IN_PROGRESS"
        return _stack_status(clients, deployment.name)

    return _wait(clients, deployment, outcome, "The deployment", watch)


def deploy(clients: Clients, deployment: Deployment) -> Outputs:
    """Creates or updates the stack and waits for it.

    Raises LocalStackError naming each resource that failed and its reason.
    """
    started = time.time()
    uploaded = _Uploader(clients, deployment).template(deployment.path)
    update = _is_update(clients, deployment)
    status = _execute_change_set(clients, deployment, uploaded.url, update=update)
    if status is not None and status not in _DONE:
        raise LocalStackError(
            f"The stack {deployment.name} could not be deployed on {clients.target.name} ({status}):\n"
            f"{events.failures(clients, deployment.name, started - 1)}"
        )
    return outputs(clients, deployment.name)
