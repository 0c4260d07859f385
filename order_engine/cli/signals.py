"""How a command ends: by the first signal, with the exit status that a shell expects, or where its output is lost."""

import errno
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

from order_engine.cli.console import Console, discard_output, output_failure

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 128 + signal.SIGINT  # typer's for KeyboardInterrupt
NOBODY_READS = 128 + signal.SIGPIPE
OUTPUT_LOST: Final = 74  # as sysexits.h has it: no end of an order may be taken for it


class Signals:
    """Turns the signals that end a command into KeyboardInterrupt, and remembers which was the first."""

    def __init__(self) -> None:
        self._heard: int | None = None
        self._over = False

    @property
    def exit_status(self) -> int:
        """128 + N for signal N."""
        return 128 + (self._heard or signal.SIGINT)

    def listen(self) -> None:
        """Hears them from now on, and those that came before and were kept waiting."""
        for number in ENDING:
            # SIGINT too: a shell script starts its background jobs with it ignored. nohup's SIGHUP stays ignored.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._hear)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    def ignore(self) -> None:
        """Nothing changes the exit status any more: the interpreter's end would give each signal its usual effect."""
        self._over = True
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self._heard = self._heard or number
        if not self._over:
            raise KeyboardInterrupt


def run_to_the_end(name: str, work: Callable[[], None]) -> NoReturn:
    """Does the work of a command and ends with its status: 128 + N for signal N, 74 where its output is lost.

    A terminal that has gone counts as its signal, SIGHUP.
    """
    signals = Signals()
    status: str | int | None = None
    try:
        try:
            signals.listen()
            work()
        finally:
            signals.ignore()
    except KeyboardInterrupt:
        status = signals.exit_status
    except SystemExit as end:
        status = signals.exit_status if end.code == INTERRUPTED else end.code
    except OSError:
        if output_failure() is None:
            raise
    failure = output_failure()
    if failure is None:
        sys.exit(status)
    discard_output(sys.stdout)
    if isinstance(failure, BrokenPipeError):
        sys.exit(NOBODY_READS)
    if failure.errno == errno.EIO:  # the terminal has gone, and its SIGHUP may not have come yet
        discard_output(sys.stderr)
        sys.exit(128 + signal.SIGHUP)
    print_error(name, f"The output can't be written: {failure.strerror}.")
    sys.exit(OUTPUT_LOST)


def print_error(name: str, sentence: str) -> None:
    """One line on standard error, if it can be written there, after the program's name."""
    try:
        Console(stderr=True).print(f"{name}: {sentence}", markup=False, soft_wrap=True)
    except OSError:
        discard_output(sys.stderr)
