"""How a stack stands, what belongs to it, and what failed in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from localstack.deployment.aws_clients import Clients
from localstack.errors import UserError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackResourceSummaryTypeDef, StackTypeDef

ABSENT = "ABSENT"
# A change set was made and never executed: there is nothing in it yet.
UNDER_REVIEW = "REVIEW_IN_PROGRESS"
# Its first deployment failed: CloudFormation can only delete it.
NEVER_CAME_UP = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})
_STUCK = {
    "DELETE_FAILED": "finish deleting it with ./dev destroy, then deploy again.",
    "UPDATE_ROLLBACK_FAILED": "mend what its events name, run `aws cloudformation continue-update-rollback "
    "--stack-name {name}`, then deploy again.",
}
NESTED = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class StackState:
    """A stack as it is deployed now. A secret parameter's value is not what it is."""

    status: str = ABSENT
    parameters: Mapping[str, str] = field(default_factory=dict)
    has_database: bool = False

    @property
    def exists(self) -> bool:
        """Whether there is anything of it."""
        return self.status not in (ABSENT, UNDER_REVIEW)

    @property
    def never_came_up(self) -> bool:
        """Whether its first deployment failed: it must be deleted before the next one."""
        return self.status in NEVER_CAME_UP

    def refuse_stuck(self, name: str) -> None:
        """Raises UserError where the stack can't be deployed to as it stands."""
        if self.status in _STUCK:
            raise UserError(f"The stack {name} is in the state {self.status}: {_STUCK[self.status].format(name=name)}")
        if self.exists and self.status.endswith("_IN_PROGRESS"):
            raise UserError(
                f"The stack {name} is being changed right now ({self.status}): wait until that ends, then try again."
            )


def describe(clients: Clients, name: str) -> "StackTypeDef | None":
    """What CloudFormation says of the stack, None where there is none. Raises botocore's errors."""
    try:
        return clients.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def state_of(clients: Clients, name: str) -> StackState:
    """How the stack stands. Raises botocore's errors."""
    found = describe(clients, name)
    if found is None:
        return StackState()
    return StackState(
        status=found["StackStatus"],
        parameters={item["ParameterKey"]: item.get("ParameterValue", "") for item in found.get("Parameters", [])},
        has_database=any(item["LogicalResourceId"] == "Database" for item in resources(clients, name)),
    )


def resources(clients: Clients, name: str) -> "Iterator[StackResourceSummaryTypeDef]":
    """What belongs to the stack itself; of what is nested, the stacks."""
    for page in clients.cloudformation.get_paginator("list_stack_resources").paginate(StackName=name):
        yield from page["StackResourceSummaries"]


def failures(clients: Clients, name: str, since: float) -> str:
    """What failed in the stack since then (seconds since the epoch) and why, what is nested deepest first."""
    found: list[tuple[int, str]] = []

    def look(stack: str, prefix: str) -> None:
        for page in clients.cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack):
            for event in page["StackEvents"]:
                reason = event.get("ResourceStatusReason", "")
                logical, physical = event.get("LogicalResourceId", ""), event.get("PhysicalResourceId", "")
                if event["Timestamp"].timestamp() < since or not event.get("ResourceStatus", "").endswith("_FAILED"):
                    continue
                if physical == event["StackId"] or "cancelled" in reason.lower():
                    continue
                line = f"  {prefix}{logical} ({event.get('ResourceType')}): {reason}"
                if (-prefix.count("/"), line) not in found:
                    found.append((-prefix.count("/"), line))
                    if event.get("ResourceType") == NESTED and physical:
                        look(physical, f"{prefix}{logical}/")

    look(name, "")
    return "\n".join(line for _, line in sorted(found)) or "  (no resource gave a reason)"
