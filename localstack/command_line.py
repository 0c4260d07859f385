"""The commands of `./dev`. A new group of commands is a module in `commands` with `add_to(app)`; nothing names it."""

import importlib
import pkgutil
import signal
import sys
from types import FrameType

import typer
from rich.console import Console
from rich.markup import escape

from localstack import commands
from localstack.errors import LocalStackError


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Runs the command line; every failure that a person can cause is one sentence and exit status 1."""
    # SIGINT too: a shell script starts its background jobs with it ignored. nohup's SIGHUP stays ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminate)
    app = typer.Typer(
        name="./dev",
        help="Runs, tests and checks the order execution engine on this machine.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    for group in sorted(pkgutil.iter_modules(commands.__path__), key=lambda found: (found.name != "up", found.name)):
        importlib.import_module(f"{commands.__name__}.{group.name}").add_to(app)
    try:
        app(prog_name="./dev")
    except LocalStackError as error:
        Console(stderr=True, highlight=False).print(f"[red]dev:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except PermissionError as error:
        Console(stderr=True, highlight=False).print(
            f"[red]dev:[/red] {escape(str(error.filename))} can't be used: it belongs to another user. Give the "
            "clone to the user who works in it (sudo chown), or run this as that user.",
            soft_wrap=True,
        )
        sys.exit(1)
