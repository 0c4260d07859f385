"""What happens to a stack's resources while it is deployed, those of nested stacks included."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from localstack.target import Clients

_STACK = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class Event:
    """One step of one resource. `path` is its logical id, behind those of the nested stacks that it is in."""

    id: str
    at: datetime
    path: str
    kind: str
    status: str
    reason: str

    @property
    def failed(self) -> bool:
        """Whether it failed by itself; the others are cancelled because of it."""
        return self.status.endswith("_FAILED") and "cancelled" not in self.reason.lower()


def _of_stack(clients: Clients, name: str, since: float, prefix: str, seen: set[str]) -> Iterator[Event]:
    """The events of one stack since then, newest first, and those of the stacks nested in it."""
    seen.add(name)
    nested: dict[str, str] = {}
    for page in clients.cloudformation.get_paginator("describe_stack_events").paginate(StackName=name):
        for event in page["StackEvents"]:
            if event["Timestamp"].timestamp() < since:
                break
            logical, physical = event.get("LogicalResourceId", ""), event.get("PhysicalResourceId", "")
            own = physical == event["StackId"]
            kind = event.get("ResourceType", "")
            if kind == _STACK and not own and physical.startswith("arn:"):
                nested[physical] = logical
            yield Event(
                id=event["EventId"],
                at=event["Timestamp"],
                path=f"{prefix}{logical}" if prefix == "" or not own else prefix.rstrip("/"),
                kind=kind,
                status=event.get("ResourceStatus", ""),
                reason=event.get("ResourceStatusReason", ""),
            )
        else:
            continue
        break
    for physical, logical in nested.items():
        if physical not in seen:
            yield from _of_stack(clients, physical, since, f"{prefix}{logical}/", seen)


def since(clients: Clients, name: str, start: float) -> list[Event]:
    """Every event since `start` (seconds since the epoch), oldest first. Raises botocore's errors."""
    found = list(_of_stack(clients, name, start, "", set()))
    # They come newest first; within one second, which is as exact as some tell the time, their order stays.
    found.reverse()
    found.sort(key=lambda event: event.at)
    return found


def failures(clients: Clients, name: str, start: float) -> str:
    """The resources that failed since `start` and why: what is nested deepest first, for that is the cause."""
    failed = [event for event in since(clients, name, start) if event.failed]
    lines = [
        f"  {event.path} ({event.kind}): {event.reason}" for event in sorted(failed, key=lambda e: -e.path.count("/"))
    ]
    return "\n".join(lines) or "  (no resource gave a reason)"


class Watch:
    """Tells each event of a deployment once."""

    def __init__(self, clients: Clients, name: str, start: float) -> None:
        self._clients, self._name, self._start = clients, name, start
        self._told: set[str] = set()

    def new(self) -> list[Event]:
        """The events since the last call, oldest first. Raises botocore's errors."""
        found = [event for event in since(self._clients, self._name, self._start) if event.id not in self._told]
        self._told.update(event.id for event in found)
        return found
