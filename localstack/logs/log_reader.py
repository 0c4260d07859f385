"""Collects what the functions log, from the emulator's CloudWatch Logs, and keeps it in files."""

import contextlib
import functools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from localstack.deployment.aws_clients import Clients
from localstack.logs.log_lines import Line, is_platform

# An invocation's lines are stored a little after the time that they are given: each look goes back so far. Under load
# a look comes every two seconds, and what it reads again is its work.
_OVERLAP_MS = 2_000
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


def _rotated(path: Path) -> Path:
    return path.with_suffix(path.suffix + ".1")


def append(path: Path, lines: list[Line]) -> None:
    """Keeps raw lines in a file, one JSON line each; past 20 MiB it begins anew and keeps the last as `.1`."""
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _ROTATE_BYTES:
        path.replace(_rotated(path))
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line.as_json()}\n" for line in lines)


class KeptLines:
    """The lines that `append` keeps: those that are there, the rotated file's among them, then those that are added.

    A context manager, which keeps the file open: what is rotated between two looks is not lost.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._begun = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def there(self) -> list[Line]:
        """Every line that is there, oldest first; called first and once."""
        added = self._rest()
        try:
            before = _rotated(self._path).open(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return added
        with before:
            # It has just become the rotated one.
            if self._file is not None and os.path.sameopenfile(before.fileno(), self._file.fileno()):
                return added
            return [*_parsed(before), *added]

    def added(self) -> list[Line]:
        """The lines since the last call, across a rotation."""
        lines = self._rest()
        if self._file is not None and self._was_replaced(self._file):
            lines += self._rest()  # written between the look above and the rotation
            self._close()
            lines += self._rest()
        return lines

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._begun = None, ""

    def _was_replaced(self, file: TextIO) -> bool:
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(file.fileno()))
        except FileNotFoundError:
            return False

    def _rest(self) -> list[Line]:
        if self._file is None:
            try:
                self._file = self._path.open(encoding="utf-8", errors="replace")
            except FileNotFoundError:
                return []
        *whole, self._begun = (self._begun + self._file.read()).split("\n")
        return _parsed(whole)


def _parsed(texts: Iterable[str]) -> list[Line]:
    """The lines in them; what a crash cut short is none."""
    lines = []
    for text in texts:
        with contextlib.suppress(ValueError):
            lines.append(Line.from_json(text))
    return lines
