"""What `./dev deploy` decides before it sends anything, and what it says afterwards."""

import difflib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from botocore.exceptions import ClientError
from rich.table import Table

from localstack.destination import Destination
from localstack.errors import LocalStackError
from localstack.target import Clients
from localstack.template import Parameter
from localstack.wheels import Platform, lambda_platform, this_platform

_ORDER = {
    "userId": "arman1",
    "walletAddress": "wallet_12345",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": 10,
    "side": "sell",
}


@dataclass(frozen=True)
class State:
    """A stack as it is deployed now."""

    exists: bool
    parameters: Mapping[str, str] = field(default_factory=dict)
    has_database: bool = False


@dataclass(frozen=True)
class Plan:
    """What is about to be deployed."""

    where: Destination
    stack_name: str
    parameters: Mapping[str, str]
    bucket: str

    def table(self, declared: Mapping[str, Parameter]) -> Table:
        """The plan for people, without secrets."""
        shown = Table(show_header=False, box=None)
        target = self.where.target
        shown.add_row("stack", self.stack_name)
        shown.add_row("account", f"{self.where.account} in {target.region} on {target.name}")
        shown.add_row("bucket", self.bucket)
        for name, value in self.parameters.items():
            shown.add_row(name, "(secret)" if declared[name].secret and value else value or '""')
        return shown


def parse_parameters(pairs: Sequence[str], declared: Mapping[str, Parameter]) -> dict[str, str]:
    """NAME=VALUE pairs as a mapping; raises LocalStackError for anything else, and for an unknown parameter."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise LocalStackError(f"--parameter takes NAME=VALUE, not {pair!r}.")
        if name not in declared:
            near = difflib.get_close_matches(name, declared, 1)
            raise LocalStackError(
                f"template.yaml has no parameter {name!r}{f': did you mean {near[0]}?' if near else '.'}"
            )
        found[name] = value
    return found


def state_of(clients: Clients, name: str) -> State:
    """How the stack stands. Raises botocore's errors."""
    try:
        found = clients.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return State(exists=False)
        raise
    pages = clients.cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    resources = {item["LogicalResourceId"] for page in pages for item in page["StackResourceSummaries"]}
    return State(
        exists=found["StackStatus"] != "REVIEW_IN_PROGRESS",
        parameters={item["ParameterKey"]: item.get("ParameterValue", "") for item in found.get("Parameters", [])},
        has_database="Database" in resources,
    )


def chosen_platform(
    where: Destination, given: Mapping[str, str], deployed: Mapping[str, str], declared: Mapping[str, Parameter]
) -> Platform:
    """What the artifact is built for: as given, else as deployed, else the template's default; embedded, this machine.

    Raises LocalStackError where nothing can be built for that.
    """
    if where.kind == "embedded":
        here = this_platform()
        for name, value in (("PythonRuntime", here.runtime), ("Architecture", here.architecture)):
            if given.get(name, value) != value:
                raise LocalStackError(
                    f"{name} is {value} on the embedded target: that is what runs the functions here."
                )
        return here
    runtime, architecture = (
        given.get(name) or deployed.get(name) or declared[name].default for name in ("PythonRuntime", "Architecture")
    )
    return lambda_platform(runtime, architecture)


def refuse_protected(name: str, state: State) -> None:
    """Raises LocalStackError where the stack's database refuses to be deleted, before anything else is."""
    if state.has_database and state.parameters.get("DatabaseDeletionProtection") == "true":
        raise LocalStackError(
            f"The database of {name} is protected from deletion, so the stack can't be deleted: if it may really go, "
            f"take the protection away with ./dev deploy --target … --stack-name {name} "
            "--parameter DatabaseDeletionProtection=false, then try again. Nothing was deleted."
        )


def curl_line(rest_url: str) -> str:
    """A command that places an order."""
    body = json.dumps(_ORDER, separators=(",", ":"))
    return shlex.join(
        ["curl", "-s", f"{rest_url}/api/orders/execute", "-H", "content-type: application/json", "-d", body]
    )
