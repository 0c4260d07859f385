"""What `./dev deploy` and `./dev destroy` do around SAM CLI: which parameters, what is deleted, what must not be."""

import contextlib
import difflib
import json
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError
from rich.table import Table

from localstack.deployment import tools
from localstack.deployment.aws_clients import Clients
from localstack.deployment.stacks import NESTED, UNDER_REVIEW, StackState, resources, state_of
from localstack.deployment.targets import DeployTarget
from localstack.errors import UserError
from localstack.packaging.template import Parameter
from localstack.packaging.wheels import Platform, Report, lambda_platform, this_platform
from localstack.paths import ROOT

_SAM = Path(__file__).with_name("sam_cli.py")
_ORDER = {
    "userId": "arman1",
    "walletAddress": "wallet_12345",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": 10,
    "side": "sell",
}
_DATABASE = "AWS::RDS::DBInstance"
_SAM_CHANGE_SET = "samcli-deploy"
_SAM_BUCKET_STACK = "aws-sam-cli-managed-default"


@dataclass(frozen=True)
class DeploymentPlan:
    """What is about to be deployed."""

    where: DeployTarget
    stack_name: str
    parameters: Mapping[str, str]

    def table(self, declared: Mapping[str, Parameter]) -> Table:
        """The plan for people, without secrets."""
        shown = Table(show_header=False, box=None)
        target = self.where.target
        shown.add_row("stack", self.stack_name)
        shown.add_row("account", f"{self.where.account} in {target.region} on {target.name}")
        for name, value in self.parameters.items():
            shown.add_row(name, "(secret)" if declared[name].secret and value else value or '""')
        return shown


def parse_parameters(pairs: Sequence[str], declared: Mapping[str, Parameter]) -> dict[str, str]:
    """NAME=VALUE pairs as a mapping; raises UserError for anything else, and for an unknown parameter."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--parameter takes NAME=VALUE, not {pair!r}.")
        if name not in declared:
            near = difflib.get_close_matches(name, declared, 1)
            raise UserError(f"template.yaml has no parameter {name!r}{f': did you mean {near[0]}?' if near else '.'}")
        found[name] = value
    return found


def chosen_parameters(
    where: DeployTarget, given: Mapping[str, str], now: StackState, declared: Mapping[str, Parameter]
) -> dict[str, str]:
    """What is handed over: what isn't stays as it was deployed.

    A stack that never came up is made anew, and of what it was given only the secrets can't be read again. Raises
    UserError where its database's address was one of them and is not given again.
    """
    if not now.never_came_up:
        addresses = {} if now.exists and where.kind != "embedded" else where.parameters
        return {**addresses, **given}
    readable = {name: value for name, value in now.parameters.items() if name in declared and not declared[name].secret}
    if where.kind == "embedded":
        # Addresses and the Python that runs functions are those of now.
        kept = {name: value for name, value in readable.items() if name not in ("PythonRuntime", "Architecture")}
        return {**kept, **where.parameters, **given}
    chosen = {**where.parameters, **readable, **given}
    if "DatabaseUrl" not in chosen and not now.has_database:
        raise UserError(
            "The first deployment of this stack failed, and which database it was given can't be read again: add "
            "--parameter DatabaseUrl=… (with nothing behind the = for a VPC and RDS Postgres of its own)."
        )
    return chosen


def chosen_platform(
    where: DeployTarget, given: Mapping[str, str], deployed: Mapping[str, str], declared: Mapping[str, Parameter]
) -> Platform:
    """What the artifact is built for: as given, else as deployed, else the template's default; embedded, this machine.

    Raises UserError where nothing can be built for that.
    """
    if where.kind == "embedded":
        here = this_platform()
        for name, value in (("PythonRuntime", here.runtime), ("Architecture", here.architecture)):
            if given.get(name, value) != value:
                raise UserError(f"{name} is {value} on the embedded target: that is what runs the functions here.")
        return here
    runtime, architecture = (
        given.get(name) or deployed.get(name) or declared[name].default for name in ("PythonRuntime", "Architecture")
    )
    return lambda_platform(runtime, architecture)


def refuse_protected(name: str, state: StackState) -> None:
    """Raises UserError where the stack's database refuses to be deleted, before anything else is."""
    # While it is being deleted there is nothing to deploy the parameter to: RDS itself says what it refuses.
    if state.never_came_up or state.status == "DELETE_FAILED" or not state.has_database:
        return
    if state.parameters.get("DatabaseDeletionProtection") == "true":
        raise UserError(
            f"The database of {name} is protected from deletion, so the stack can't be deleted: if it may really go, "
            f"take the protection away with ./dev deploy --target … --stack-name {name} "
            "--parameter DatabaseDeletionProtection=false, then try again. Nothing was deleted."
        )


def unprotect(clients: Clients, name: str) -> None:
    """Lets the database of a stack that never came up be deleted: no deployment could take its protection away."""
    for item in resources(clients, name):
        if item["ResourceStatus"] == "DELETE_COMPLETE" or "PhysicalResourceId" not in item:
            continue
        if item["ResourceType"] == NESTED:
            unprotect(clients, item["PhysicalResourceId"])
        elif item["ResourceType"] == _DATABASE:
            identifier = item["PhysicalResourceId"]
            rds = clients.other("rds")
            # A rollback that failed elsewhere may have deleted it, and still lists it.
            with contextlib.suppress(rds.exceptions.DBInstanceNotFoundFault), contextlib.closing(rds):
                rds.modify_db_instance(DBInstanceIdentifier=identifier, DeletionProtection=False, ApplyImmediately=True)
                rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier=identifier)


def sam_command(path: Path) -> list[str]:
    """How sam is called that shows nested stacks' changes; `path` is the installed tool."""
    return [str(path.with_name("python")), "-P", str(_SAM)]


def _sam(where: DeployTarget, *arguments: str, report: Report) -> bool:
    """Runs sam against the target, as people see it; whether it ended well."""
    command = sam_command(tools.ensure("sam", report))
    ended = subprocess.run(  # noqa: S603  # our own command line
        [*command, *arguments, "--region", where.target.region], cwd=ROOT, env=_environment(where), check=False
    )
    return ended.returncode == 0


def _environment(where: DeployTarget) -> dict[str, str]:
    if where.target.endpoint_url is None:
        return tools.environment()
    others = {name: value for name, value in tools.environment().items() if not name.startswith("AWS_")}
    return {**others, **where.target.environment}


def deploy(
    where: DeployTarget, name: str, built: Path, parameters: Mapping[str, str], *, ask: bool, report: Report
) -> bool:
    """`sam deploy` of the built template; whether it ended well. Secrets go through a file that only we can read."""
    with tempfile.NamedTemporaryFile("w", prefix="order-engine-parameters-", suffix=".yaml") as file:
        json.dump(dict(parameters), file)
        file.flush()
        return _sam(
            where,
            *("deploy", "--config-file", str(ROOT / "samconfig.toml"), "--config-env", where.kind),
            *("--template-file", str(built), "--stack-name", name, "--s3-prefix", name),
            *("--parameter-overrides", f"file://{file.name}"),
            "--confirm-changeset" if ask else "--no-confirm-changeset",
            report=report,
        )


def delete(where: DeployTarget, name: str, report: Report) -> bool:
    """`sam delete` of the stack with what was uploaded for it; whether it ended well."""
    config = ("--config-file", str(ROOT / "samconfig.toml"), "--config-env", where.kind)
    return _sam(where, "delete", *config, "--stack-name", name, "--no-prompts", report=report)


def delete_change_set(clients: Clients, name: str) -> bool:
    """Whether a change set of sam's was left unexecuted. It is deleted, with the empty stack that a first one makes."""
    try:
        pages = list(clients.cloudformation.get_paginator("list_change_sets").paginate(StackName=name))
    except ClientError as error:
        if "does not exist" in str(error):
            return False
        raise
    left = [
        change_set["ChangeSetId"]
        for page in pages
        for change_set in page["Summaries"]
        if change_set.get("ExecutionStatus") == "AVAILABLE" and change_set["ChangeSetName"].startswith(_SAM_CHANGE_SET)
    ]
    for change_set in left:
        clients.cloudformation.delete_change_set(ChangeSetName=change_set, StackName=name)
    if left and state_of(clients, name).status == UNDER_REVIEW:
        clients.cloudformation.delete_stack(StackName=name)
    return bool(left)


def remove_sams_bucket(clients: Clients) -> None:
    """Deletes the bucket that sam made on an emulator, with its stack, where no stack has anything in it any more."""
    state = state_of(clients, _SAM_BUCKET_STACK)
    if not state.exists:
        return
    (bucket,) = (
        item["PhysicalResourceId"]
        for item in resources(clients, _SAM_BUCKET_STACK)
        if item["ResourceType"] == "AWS::S3::Bucket"
    )
    if clients.s3.list_objects_v2(Bucket=bucket).get("KeyCount"):
        return
    for page in clients.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for item in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
            clients.s3.delete_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])
    clients.cloudformation.delete_stack(StackName=_SAM_BUCKET_STACK)
    clients.cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=_SAM_BUCKET_STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def order_line(rest_url: str, where: DeployTarget) -> str:
    """A command that places an order; curl alone would be refused by the emulator's gate."""
    if not where.has_a_front_door:
        return shlex.join(["./dev", "order", "--url", rest_url])
    body = json.dumps(_ORDER, separators=(",", ":"))
    return shlex.join(
        ["curl", "-s", f"{rest_url}/api/orders/execute", "-H", "content-type: application/json", "-d", body]
    )
