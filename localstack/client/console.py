"""What the commands print to."""

import signal

import rich.console


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
