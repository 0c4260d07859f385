"""The output of `./dev up`, which must hold up neither the stack nor its end."""

import contextlib
import queue
import signal
import threading
from collections.abc import Callable

from rich.console import RenderableType

from order_engine.cli.console import Console, discard_output

_LINES_AT_MOST = 10_000
_LAST_SECONDS = 1.0


class TerminalOutput:
    """Prints in a thread of its own: a terminal that Ctrl-S holds, or a pipe that nobody reads, blocks a write.

    `lost` is told the signal that ends others in such a case where the terminal (SIGHUP) or the reader of the pipe
    (SIGPIPE) has gone. Lines are left out while ten thousand wait.
    """

    def __init__(self, console: Console, lost: Callable[[int], None]) -> None:
        self._console = console
        self._lost = lost
        self._lines: queue.Queue[RenderableType | None] = queue.Queue(_LINES_AT_MOST)
        self._thread = threading.Thread(target=self._print, name="output", daemon=True)
        self._thread.start()

    def print(self, line: RenderableType) -> None:
        """Prints it when everything before it is printed."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(line)

    def close(self) -> bool:
        """Waits a moment for what is not printed yet; False where a write still blocks."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(_LAST_SECONDS)
        return not self._thread.is_alive()

    def _print(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._console.print(line, soft_wrap=True)
            except SystemExit:
                self._lost(signal.SIGPIPE)
                return
            except OSError:
                discard_output(self._console.file)
                self._lost(signal.SIGHUP)
                return
