"""What the commands print to."""

import os
import signal
from typing import IO

import rich.console


def give_up(*streams: IO[str]) -> None:
    """Has nothing more go to a terminal that is gone: the interpreter's last flush would fail, its status be 120."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class Console(rich.console.Console):
    """Text as it is, without colours for what looks like a number or a path.

    Where nobody reads any more (`| head`), it ends the command with the status that a shell expects, 141.
    """

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(highlight=False, stderr=stderr, width=width)

    def on_broken_pipe(self) -> None:
        """Keeps the interpreter's last flush from failing too, and ends the command."""
        try:
            super().on_broken_pipe()
        except SystemExit:
            raise SystemExit(128 + signal.SIGPIPE) from None
