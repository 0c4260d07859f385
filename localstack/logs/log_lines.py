"""The functions' JSON log lines as short readable ones."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from rich.text import Text

from order_engine.cli.text import COLOURS

_PLATFORM = ("START RequestId:", "END RequestId:", "REPORT RequestId:", "INIT_START", "XRAY TraceId:")
_LEVEL_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
# What the line's own columns show, and what only a machine needs; the raw log keeps everything.
_NOT_SHOWN = frozenset(
    {
        "history",
        "request_id",
        "kind",
        "quotes",
        "steps",
        "level",
        "location",
        "message",
        "timestamp",
        "service",
        "order_id",
        "status",
        "cold_start",
        "function_name",
        "function_memory_size",
        "function_arn",
        "function_request_id",
        "correlation_id",
        "trace_id",
        "xray_trace_id",
        "exception",
        "exception_name",
        "stack_trace",
        "_aws",
    }
)
_ROUTINE = frozenset({"invocation", "status_pushed"})
_VALUE_LENGTH = 60


@dataclass(frozen=True)
class Line:
    """One line that a function wrote. `at` is in seconds since the epoch."""

    function: str
    at: float
    text: str

    @classmethod
    def from_json(cls, kept: str) -> "Line":
        """Raises ValueError where a file holds something else."""
        fields = _fields(kept)
        if fields is None or not isinstance(fields.get("at"), (int, float)):
            raise ValueError(f"no log line: {kept[:80]!r}")
        return cls(str(fields.get("function")), float(str(fields["at"])), str(fields.get("text")))


def is_platform(text: str) -> bool:
    """Whether Lambda wrote the line around an invocation, not the function."""
    return text.startswith(_PLATFORM)


def _fields(text: str) -> Mapping[str, object] | None:
    try:
        parsed = json.loads(text)
    except ValueError:
        return None
    return cast("Mapping[str, object]", parsed) if isinstance(parsed, dict) else None


def _is_metric(fields: Mapping[str, object]) -> bool:
    return "_aws" in fields and "message" not in fields


def _is_routine(fields: Mapping[str, object]) -> bool:
    """Whether the line says no more than that a function ran."""
    return fields.get("level") == "INFO" and fields.get("message") in _ROUTINE and not fields.get("frames")


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def level_of(text: str) -> str | None:
    """The level of a raw line; None where it has none, as what the runtime writes about a crash."""
    level = str((_fields(text) or {}).get("level", "")).upper()
    return level if level in LEVELS else None


def order_of(text: str) -> str | None:
    """The order that a raw line is about."""
    fields = _fields(text)
    order_id = fields.get("order_id") if fields else None
    return str(order_id) if order_id else None


def _detail(name: str, value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return f"{name}={text if len(text) <= _VALUE_LENGTH else text[: _VALUE_LENGTH - 1] + '…'}"


def _is_shown(name: str, value: object) -> bool:
    return name not in _NOT_SHOWN and value not in (None, "", [], {})


def _message(fields: Mapping[str, object]) -> str:
    message = fields.get("message", "")
    if isinstance(message, str):
        return message
    return json.dumps(message, default=str, ensure_ascii=False)


def _when(line: Line, fields: Mapping[str, object] | None) -> datetime:
    """The function's own time: the emulator stores all lines with the time of the invocation's end."""
    try:
        return datetime.strptime(str((fields or {})["timestamp"]), "%Y-%m-%d %H:%M:%S,%f%z")
    except (KeyError, ValueError):
        return datetime.fromtimestamp(line.at, UTC)


def readable(line: Line) -> Text | None:
    """The line for a person, None for those that only a machine reads.

    Time, function, order, status, what happened, details. A line that is no JSON is shown as it is.
    """
    if is_platform(line.text) or not line.text.strip():
        return None
    fields = _fields(line.text)
    if fields is not None and (_is_metric(fields) or _is_routine(fields)):
        return None
    clock = _when(line, fields).astimezone().strftime("%H:%M:%S.%f")[:-3]
    shown = Text(f"{clock} ", style="dim")
    shown.append(f"{line.function:<20} ", style="bold")
    if fields is None:
        return shown.append(line.text)
    level = str(fields.get("level", "INFO"))
    if order_id := fields.get("order_id"):
        shown.append(f"{order_id} ", style="cyan")
    if status := fields.get("status"):
        shown.append(f"{status} ", style=COLOURS.get(str(status), ""))
    if level in _LEVEL_COLOURS:
        shown.append(f"{level} ", style=_LEVEL_COLOURS[level])
    shown.append(_message(fields))
    details = [_detail(name, value) for name, value in fields.items() if _is_shown(name, value)]
    if details:
        shown.append("  " + " ".join(details), style="dim")
    history = fields.get("history")
    for step in history if isinstance(history, list) else ():
        shown.append(f"\n{'':14}{step}", style="dim")
    if trace := fields.get("exception"):
        shown.append(f"\n{trace}", style="red")
    return shown
