"""What `./dev up` prints holds up neither the stack nor its end."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable

import pytest
from rich.console import Console as RichConsole

from localstack.local_stack.processes import wait_until
from localstack.local_stack.terminal_output import TerminalOutput
from order_engine.cli.console import Console

LIMIT_SECONDS = 20.0
MORE_THAN_A_PIPE_HOLDS = 1 << 20


class Output(Console):
    """Writes to a descriptor of the test's."""

    def __init__(self, descriptor: int) -> None:
        RichConsole.__init__(self, highlight=False, file=os.fdopen(descriptor, "w"), width=200)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.file.close()

    def on_broken_pipe(self) -> None:
        raise SystemExit(128 + signal.SIGPIPE)


def test_everything_is_printed_in_order() -> None:
    read, write = os.pipe()
    console = Output(write)
    screen = TerminalOutput(console, lambda number: None)
    screen.print("first")
    screen.print("second")
    assert screen.close()
    assert os.read(read, 100) == b"first\nsecond\n"
    console.close()
    os.close(read)


def test_a_reader_that_reads_nothing_blocks_nobody() -> None:
    read, write = os.pipe()
    console, lost = Output(write), threading.Event()
    screen = TerminalOutput(console, lambda number: lost.set())
    screen.print("x" * MORE_THAN_A_PIPE_HOLDS)
    screen.print("more")
    assert not screen.close()
    os.close(read)
    assert lost.wait(LIMIT_SECONDS)
    console.close()


@pytest.mark.parametrize("gone", [signal.SIGPIPE, signal.SIGHUP])
def test_a_reader_or_terminal_that_has_gone_is_told_as_its_signal(
    gone: signal.Signals, open_end: Callable[[signal.Signals], int]
) -> None:
    heard: list[int] = []
    console = Output(open_end(gone))
    screen = TerminalOutput(console, heard.append)
    screen.print("x")
    assert wait_until(lambda: heard == [gone], LIMIT_SECONDS)
    assert screen.close()
    console.close()


@pytest.fixture
def open_end() -> Callable[[signal.Signals], int]:
    def make(gone: signal.Signals) -> int:
        other, ours = os.pipe() if gone is signal.SIGPIPE else os.openpty()
        os.close(other)
        return ours

    return make
