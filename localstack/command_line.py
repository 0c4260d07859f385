"""The commands of `./dev`. A new group of commands is a module in `commands` with `add_to(app)`; nothing names it."""

import errno
import importlib
import os
import pkgutil
import signal
import sys

import typer
from rich.markup import escape

from localstack import commands
from localstack.client import local_program
from localstack.errors import UserError
from order_engine import cli as client_commands
from order_engine.cli import program as client_program
from order_engine.cli.console import Console, discard_output, open_streams, output_failure
from order_engine.cli.signals import run_to_the_end
from order_engine.errors import OrderEngineError

# A disk that takes no more; ENOENT without a name is `tempfile` that has found no folder.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOENT)


def _fail(sentence: str, status: int = 1) -> None:
    Console(stderr=True).print(f"[red]dev:[/red] {escape(sentence)}", soft_wrap=True)
    sys.exit(status)


def main() -> None:
    """Runs the command line.

    Every failure that a person can cause is one sentence and its exit status, 1 where the command names no other. A
    signal N ends a command with 128 + N, as a shell says it; wrong arguments with 2, output that cannot be written
    with 74.
    """
    open_streams()
    run_to_the_end("dev", _run)


def _names(app: typer.Typer) -> set[str | None]:
    """What can be called so far."""
    commands = {each.name or getattr(each.callback, "__name__", None) for each in app.registered_commands}
    return commands | {each.name for each in app.registered_groups}


def _add_commands(app: typer.Typer, wanted: str) -> None:
    """Adds the commands, as many as it takes until the wanted one is there: the libraries of all take a second."""
    if wanted in client_commands.COMMANDS:
        local_program.set_up_program()
        client_commands.add_to(app)
        return
    groups = [found.name for found in pkgutil.iter_modules(commands.__path__)]
    for group in sorted(groups, key=lambda name: (name != wanted, name != "up", name)):
        importlib.import_module(f"{commands.__name__}.{group}").add_to(app)
        if wanted in _names(app):
            return
    client_commands.add_to(app)


def _run() -> None:
    app = typer.Typer(
        name="./dev",
        help="Runs, tests and checks the order execution engine on this machine.\n\n"
        "Exit status: 0 done, 1 failed with a sentence, 2 wrong arguments, 128 + N ended by signal N (130: Ctrl-C).",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(client_commands.options)
    _add_commands(app, sys.argv[1] if len(sys.argv) > 1 else "")
    # Was for this process's own output.
    os.environ.pop("PYTHONIOENCODING", None)
    try:
        app(prog_name="./dev")
    except UserError as error:
        _fail(str(error), error.exit_status)
    except OrderEngineError as error:
        local_program.set_up_program()
        _fail(client_program.explain(error), client_program.exit_status(error))
    except PermissionError as error:
        if error.filename is None:
            raise
        _fail(
            f"{error.filename} can't be used: it belongs to another user. Give the clone to the user who works in it "
            "(sudo chown), or run this as that user."
        )
    except OSError as error:
        if error.filename is not None:
            _fail(f"{error.filename} can't be used ({error.strerror}): mend that and run this again.")
        if error.errno == errno.EIO:  # the terminal has gone
            discard_output(sys.stdout, sys.stderr)
            sys.exit(128 + signal.SIGHUP)
        if error.errno not in _FULL or output_failure():
            raise
        _fail(f"{error.strerror}: make room, or name another folder with TMPDIR, and run this again.")
