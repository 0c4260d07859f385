"""The commands of `./dev`. A new group of commands is a module in `commands` with `add_to(app)`; nothing names it."""

import errno
import importlib
import os
import pkgutil
import signal
import sys
from types import FrameType

import typer
from rich.markup import escape

from localstack import commands
from localstack.client.console import Console, give_up
from localstack.errors import UserError

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A disk that takes no more; ENOENT without a name is `tempfile` that has found no folder.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOENT)
_INTERRUPTED = 128 + signal.SIGINT  # typer's for KeyboardInterrupt


class _Signals:
    """Turns the signals that end a command into KeyboardInterrupt, and remembers which was the first."""

    def __init__(self) -> None:
        self._heard: int | None = None
        self._over = False

    @property
    def exit_status(self) -> int:
        return 128 + (self._heard or signal.SIGINT)

    def listen(self) -> None:
        """Hears them from now on, and those that came before, which ./dev has kept waiting."""
        for number in _ENDING:
            # SIGINT too: a shell script starts its background jobs with it ignored. nohup's SIGHUP stays ignored.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._hear)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)

    def ignore(self) -> None:
        """Nothing changes the exit status any more: the interpreter's end would give each signal its usual effect."""
        self._over = True
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self._heard = self._heard or number
        if not self._over:
            raise KeyboardInterrupt


def _fail(sentence: str, status: int = 1) -> None:
    Console(stderr=True).print(f"[red]dev:[/red] {escape(sentence)}", soft_wrap=True)
    sys.exit(status)


def main() -> None:
    """Runs the command line.

    Every failure that a person can cause is one sentence and its exit status, 1 where the command names no other. A
    signal N ends a command with 128 + N, as a shell says it; wrong arguments with 2.
    """
    signals = _Signals()
    try:
        try:
            signals.listen()
            _run()
        finally:
            signals.ignore()
    except KeyboardInterrupt:
        sys.exit(signals.exit_status)
    except SystemExit as end:
        sys.exit(signals.exit_status if end.code == _INTERRUPTED else end.code)


def _names(app: typer.Typer) -> set[str | None]:
    """What can be called so far."""
    commands = {each.name or getattr(each.callback, "__name__", None) for each in app.registered_commands}
    return commands | {each.name for each in app.registered_groups}


def _run() -> None:
    app = typer.Typer(
        name="./dev",
        help="Runs, tests and checks the order execution engine on this machine.\n\n"
        "Exit status: 0 done, 1 failed with a sentence, 2 wrong arguments, 128 + N ended by signal N (130: Ctrl-C).",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(lambda: None)  # else one command alone would be called without its name
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    groups = [found.name for found in pkgutil.iter_modules(commands.__path__)]
    for group in sorted(groups, key=lambda name: (name != wanted, name != "up", name)):
        importlib.import_module(f"{commands.__name__}.{group}").add_to(app)
        if wanted in _names(app):
            break  # the libraries of the others take most of a second
    # Was for this process's own output.
    os.environ.pop("PYTHONIOENCODING", None)
    try:
        app(prog_name="./dev")
    except UserError as error:
        _fail(str(error), error.exit_status)
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
            give_up(sys.stdout, sys.stderr)
            sys.exit(128 + signal.SIGHUP)
        if error.errno not in _FULL:
            raise
        _fail(f"{error.strerror}: make room, or name another folder with TMPDIR, and run this again.")
