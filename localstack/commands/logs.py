"""`logs`: what the functions logged."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from localstack.errors import LocalStackError
from localstack.log_lines import Line, order_of, readable
from localstack.paths import FUNCTION_LOG

_LOOK_SECONDS = 0.3


def _lines(path: Path, last: int, *, follow: bool) -> Iterator[Line]:
    """The last kept lines, then, when following, those that are added; a file begun anew is read from its start."""
    if not path.exists() and not follow:
        raise LocalStackError("Nothing has been logged yet: start the stack with ./dev up and place an order.")
    kept = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    position = path.stat().st_size if path.exists() else 0
    yield from map(Line.from_json, kept[-last:])
    while follow:
        time.sleep(_LOOK_SECONDS)
        if not path.exists():
            continue
        if path.stat().st_size < position:
            position = 0
        with path.open(encoding="utf-8") as file:
            file.seek(position)
            while (text := file.readline()).endswith("\n"):
                position = file.tell()
                yield Line.from_json(text)


def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Goes on with new lines until Ctrl-C.")] = False,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many kept lines to begin with.")] = 200,
    order: Annotated[str, typer.Option("--order", help="Only the lines about this order.")] = "",
    raw: Annotated[bool, typer.Option("--raw", help="As the functions wrote them, with every field.")] = False,
) -> None:
    """Shows what the functions logged, from .state/logs."""
    console = Console(highlight=False)
    for line in _lines(FUNCTION_LOG, last, follow=follow):
        if order and order_of(line.text) != order:
            continue
        if raw:
            console.out(line.text, highlight=False)
        elif (shown := readable(line)) is not None:
            console.print(shown, soft_wrap=True)


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(logs)
