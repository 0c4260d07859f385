"""What a change set would do, for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_COLOURS = {"Add": "green", "Modify": "yellow", "Remove": "red", "Import": "cyan", "Dynamic": "magenta"}
_ORDER = ("Remove", "Modify", "Import", "Dynamic", "Add")


@dataclass(frozen=True)
class Change:
    """What would happen to one resource; `replacement` is True, False, Conditional or empty."""

    action: str
    logical_id: str
    kind: str
    replacement: str
    scope: tuple[str, ...] = ()

    @property
    def destroys(self) -> bool:
        """Whether the resource, as it is now, would be gone."""
        return self.action == "Remove" or self.replacement in ("True", "Conditional")


def read(client: "CloudFormationClient", change_set: str) -> list[Change]:
    """The changes of a change set, destructive ones first. Raises botocore's errors."""
    found: list[Change] = []
    for page in client.get_paginator("describe_change_set").paginate(ChangeSetName=change_set):
        for item in page.get("Changes", []):
            change = item.get("ResourceChange", {})
            found.append(
                Change(
                    action=change.get("Action", ""),
                    logical_id=change.get("LogicalResourceId", ""),
                    kind=change.get("ResourceType", ""),
                    replacement=change.get("Replacement", ""),
                    scope=tuple(sorted(change.get("Scope", []))),
                )
            )
    return sorted(found, key=lambda change: (not change.destroys, _rank(change), change.logical_id))


def _rank(change: Change) -> int:
    return _ORDER.index(change.action) if change.action in _ORDER else len(_ORDER)


def table(changes: Sequence[Change]) -> Table:
    """The changes in columns."""
    shown = Table(box=None, header_style="bold", title=f"{len(changes)} changes", title_justify="left")
    for column in ("", "resource", "type", "replaced", "what changes"):
        shown.add_column(column, overflow="fold")
    for change in changes:
        colour = "red" if change.destroys else _COLOURS.get(change.action, "white")
        shown.add_row(
            f"[{colour}]{change.action}[/{colour}]",
            change.logical_id,
            change.kind.removeprefix("AWS::"),
            {"True": "[red]yes[/red]", "Conditional": "[red]perhaps[/red]"}.get(change.replacement, ""),
            ", ".join(change.scope),
        )
    return shown
