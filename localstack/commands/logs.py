"""`logs`: what the functions logged."""

import itertools
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from localstack.errors import UserError
from localstack.logs.log_lines import LEVELS, Line, level_of, order_of, readable
from localstack.logs.log_reader import LogReader
from localstack.paths import FUNCTION_LOG
from order_engine.cli.console import Console, visible, write_line
from order_engine.cli.times import parse_duration

_LOOK_SECONDS = 0.3


class Level(StrEnum):
    """The least that a line must be; what has no level, such as the end of a crashed function, is always shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def moment(since: str, now: datetime) -> datetime:
    """`10m`, `13:02`, `13:02:38` or an ISO 8601 time, in local time where it names no zone. Raises UserError."""
    try:
        if (ago := parse_duration(since)) is not None:
            return now - ago
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", since):
            clock = datetime.strptime(since, "%H:%M:%S" if since.count(":") > 1 else "%H:%M")  # noqa: DTZ007  # of today
            return now.replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=0)
        return datetime.fromisoformat(since).astimezone()
    except (ValueError, OverflowError):
        raise UserError(
            f"--since takes how long ago (10m, 2h), a time (13:02) or an ISO date, not {since!r}."
        ) from None


@dataclass(frozen=True)
class LineFilter:
    """Which lines are shown, and how."""

    order: str = ""
    functions: frozenset[str] = frozenset()
    level: Level = Level.DEBUG
    since: float = 0.0
    raw: bool = False

    def show(self, line: Line) -> str | Text | None:
        """The line as it is shown, None where it is not."""
        if line.at < self.since or (self.functions and line.function not in self.functions):
            return None
        level = level_of(line.text)
        if level is not None and LEVELS.index(level) < LEVELS.index(self.level.upper()):
            return None
        if self.order and order_of(line.text) != self.order:
            return None
        return line.text if self.raw else readable(line)


def _last_shown(lines: Sequence[Line], count: int, show: Callable[[Line], str | Text | None]) -> list[str | Text]:
    """The last so many of those that are shown."""
    shown = (text for line in reversed(lines) if (text := show(line)) is not None)
    return list(itertools.islice(shown, count))[::-1]


def _require_functions(lines: Sequence[Line], names: Sequence[str]) -> frozenset[str]:
    """The functions. Raises UserError where one of them has logged nothing."""
    there = {line.function for line in lines}
    if unknown := [name for name in names if name not in there]:
        raise UserError(f"No function {unknown[0]} has logged anything; these have: {', '.join(sorted(there))}.")
    return frozenset(names)


def logs(
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Goes on with new lines until Ctrl-C.")] = False,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many of the kept lines to begin with.")] = 200,
    order: Annotated[str, typer.Option("--order", help="Only the lines about this order.")] = "",
    level: Annotated[Level, typer.Option("--level", help="Only lines of this level or a higher one.")] = Level.DEBUG,
    functions: Annotated[
        list[str] | None,
        typer.Option("--function", help="Only this function's, such as execute-orders; may be repeated."),
    ] = None,
    since: Annotated[str, typer.Option("--since", help="Only lines since 10m ago, 13:02 or an ISO date.")] = "",
    raw: Annotated[bool, typer.Option("--raw", help="As the functions wrote them, with every field.")] = False,
) -> None:
    """Shows what the functions logged, from .state/logs; also after the stack has ended."""
    console = Console()

    def show(text: str | Text) -> None:
        if isinstance(text, str):
            write_line(visible(text))  # a tab in it stays one
        else:
            console.print(text, soft_wrap=True)

    earliest = moment(since, datetime.now().astimezone()).timestamp() if since else 0.0
    with LogReader(FUNCTION_LOG) as kept:
        lines = kept.existing()
        if not lines and not follow:
            raise UserError("Nothing has been logged yet: start the stack with ./dev up and place an order.")
        chosen = _require_functions(lines, functions or ()) if lines else frozenset(functions or ())
        wanted = LineFilter(order, chosen, level, earliest, raw)
        for text in _last_shown(lines, last, wanted.show):
            show(text)
        while follow:
            time.sleep(_LOOK_SECONDS)
            for line in kept.added():
                if (added := wanted.show(line)) is not None:
                    show(added)


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(logs)
