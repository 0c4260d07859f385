"""Collects what the functions log, from the emulator's CloudWatch Logs."""

import functools
from collections.abc import Iterator
from pathlib import Path

from localstack.log_lines import Line, is_platform
from localstack.target import Clients

# An invocation's lines may be stored a little after their own time: each look goes back so far.
_OVERLAP_MS = 5_000
_ROTATE_BYTES = 20 * 1024 * 1024


class LogReader:
    """Reads the log groups of one stack again and again, each invocation once.

    The emulator stores each invocation's lines at once, at its end, in a stream of their own.
    """

    def __init__(self, clients: Clients, stack_name: str) -> None:
        self._logs = clients.logs
        self._prefix = f"/aws/lambda/{stack_name}-"
        self._newest: dict[str, int] = {}
        self._read: dict[str, int] = {}

    def read(self) -> list[Line]:
        """The lines stored since the last call, oldest first. Raises botocore's errors."""
        lines = [line for group in self._groups for line in self._read_group(group)]
        oldest = min(self._newest.values(), default=0) - 2 * _OVERLAP_MS
        self._read = {stream: at for stream, at in self._read.items() if at >= oldest}
        return sorted(lines, key=lambda line: line.at)

    @functools.cached_property
    def _groups(self) -> list[str]:
        """The stack's log groups, which the template defines: a deployment that adds one needs a new reader."""
        pages = self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self._prefix)
        return [group["logGroupName"] for page in pages for group in page["logGroups"]]

    def _read_group(self, group: str) -> Iterator[Line]:
        since = self._newest.get(group, 0) - _OVERLAP_MS
        events = self._logs.filter_log_events(logGroupName=group, startTime=max(0, since))["events"]
        finished: dict[str, int] = {}
        for event in events:
            stream, at, text = event["logStreamName"], event["timestamp"], event["message"].rstrip()
            self._newest[group] = max(self._newest.get(group, 0), at)
            if stream in self._read:
                continue
            finished[stream] = at
            if text and not is_platform(text):
                yield Line(group.removeprefix(self._prefix), at / 1000, text)
        self._read |= finished


def append(path: Path, lines: list[Line]) -> None:
    """Keeps raw lines in a file, one JSON line each; past 20 MiB it begins anew and keeps the last as `.1`."""
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _ROTATE_BYTES:
        path.replace(path.with_suffix(path.suffix + ".1"))
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line.as_json()}\n" for line in lines)
