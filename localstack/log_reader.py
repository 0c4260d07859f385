"""Collects what the functions log, from the emulator's CloudWatch Logs."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from localstack.log_lines import Line, is_platform
from localstack.target import Clients

# An invocation's lines may be stored a little after their own time: each look goes back so far.
_OVERLAP_MS = 5_000
_ROTATE_BYTES = 20 * 1024 * 1024
# The emulator looks at every stream of a group in each search.
_STREAMS_AT_MOST = 2_000


@dataclass
class _Group:
    """How far a log group was read: the newest time, the invocations read lately, how many were read in all."""

    newest: int = 0
    lately: dict[str, int] = field(default_factory=dict)
    streams: int = 0


class LogReader:
    """Reads the log groups of one stack again and again, each invocation once.

    The emulator stores each invocation's lines at once, at its end, in a stream of their own.
    """

    def __init__(self, clients: Clients, stack_name: str) -> None:
        self._logs = clients.logs
        self._prefix = f"/aws/lambda/{stack_name}-"

    @functools.cached_property
    def _groups(self) -> dict[str, _Group]:
        """The stack's log groups, which the template defines: a deployment that adds one needs a new reader."""
        pages = self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self._prefix)
        return {group["logGroupName"]: _Group() for page in pages for group in page["logGroups"]}

    def read(self) -> list[Line]:
        """The lines stored since the last call, oldest first. Raises botocore's errors."""
        lines = [line for name, group in self._groups.items() for line in self._read_group(name, group)]
        return sorted(lines, key=lambda line: line.at)

    def tidy(self) -> None:
        """Empties large groups that were read; for a moment when nothing runs. Raises botocore's errors."""
        for name, group in self._groups.items():
            if group.streams > _STREAMS_AT_MOST:
                self._logs.delete_log_group(logGroupName=name)
                self._logs.create_log_group(logGroupName=name)
                group.streams = 0

    def _read_group(self, name: str, group: _Group) -> Iterator[Line]:
        events = self._logs.filter_log_events(logGroupName=name, startTime=max(0, group.newest - _OVERLAP_MS))
        finished: dict[str, int] = {}
        for event in events["events"]:
            stream, at, text = event["logStreamName"], event["timestamp"], event["message"].rstrip()
            if stream in group.lately:
                continue
            finished[stream] = at
            if text and not is_platform(text):
                yield Line(name.removeprefix(self._prefix), at / 1000, text)
        group.streams += len(finished)
        group.newest = max([group.newest, *finished.values()])
        oldest = group.newest - 2 * _OVERLAP_MS
        group.lately = {stream: at for stream, at in (group.lately | finished).items() if at >= oldest}


def append(path: Path, lines: list[Line]) -> None:
    """Keeps raw lines in a file, one JSON line each; past 20 MiB it begins anew and keeps the last as `.1`."""
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _ROTATE_BYTES:
        path.replace(path.with_suffix(path.suffix + ".1"))
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line.as_json()}\n" for line in lines)
