"""`logs`: what the functions logged."""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.text import Text

from localstack.client.console import Console
from localstack.errors import UserError
from localstack.logs.log_lines import Line, order_of, readable
from localstack.logs.log_reader import KeptLines
from localstack.paths import FUNCTION_LOG

_LOOK_SECONDS = 0.3


def _shown(line: Line, order: str, *, raw: bool) -> Text | None:
    """The line as it is shown, None where it is not."""
    if order and order_of(line.text) != order:
        return None
    return Text(line.text) if raw else readable(line)


def _last(lines: Sequence[Line], count: int, show: Callable[[Line], Text | None]) -> list[Text]:
    """The last so many of those that are shown."""
    shown = (text for line in reversed(lines) if (text := show(line)) is not None)
    return list(itertools.islice(shown, count))[::-1]


def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Goes on with new lines until Ctrl-C.")] = False,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many of the kept lines to begin with.")] = 200,
    order: Annotated[str, typer.Option("--order", help="Only the lines about this order.")] = "",
    raw: Annotated[bool, typer.Option("--raw", help="As the functions wrote them, with every field.")] = False,
) -> None:
    """Shows what the functions logged, from .state/logs; also after the stack has ended."""
    console = Console()

    def show(line: Line) -> Text | None:
        return _shown(line, order, raw=raw)

    with KeptLines(FUNCTION_LOG) as kept:
        lines = kept.there()
        if not lines and not follow:
            raise UserError("Nothing has been logged yet: start the stack with ./dev up and place an order.")
        for text in _last(lines, last, show):
            console.print(text, soft_wrap=True)
        while follow:
            time.sleep(_LOOK_SECONDS)
            for line in kept.added():
                if (added := show(line)) is not None:
                    console.print(added, soft_wrap=True)


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(logs)
