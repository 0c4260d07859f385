"""The commands of `./dev`. A new group of commands is a module in `commands` with `add_to`, named below."""

import importlib
import signal
import sys
from types import FrameType

import typer
from rich.console import Console
from rich.markup import escape

from localstack.errors import LocalStackError

_GROUPS = ("up", "order", "bench", "logs", "metrics", "dlq", "chaos", "check")
_INTERRUPTED = 128 + signal.SIGINT


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Runs the command line; every failure that a person can cause is one sentence and exit status 1."""
    signal.signal(signal.SIGTERM, _terminate)
    app = typer.Typer(
        name="./dev",
        help="Runs, tests and checks the order execution engine on this machine.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    for group in _GROUPS:
        importlib.import_module(f"localstack.commands.{group}").add_to(app)
    try:
        app(prog_name="./dev")
    except LocalStackError as error:
        Console(stderr=True, highlight=False).print(f"[red]dev:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
