"""What the commands print to, and what of a server's text reaches a terminal."""

import contextlib
import io
import os
import signal
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, ClassVar, cast

import rich.console
from rich.segment import Segment

_REPLACED = "\ufffd"


def visible(text: str) -> str:
    """The text without what steers a terminal or turns its reading direction; lines and tabs stay."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _instead(character) for character in text)


def _instead(character: str) -> str:
    if character in "\n\t":
        return character
    return " " if unicodedata.category(character) == "Zs" else _REPLACED


def discard_output(*streams: IO[str]) -> None:
    """Has nothing more go to a terminal that is gone: the interpreter's last flush would fail, its status be 120.

    Whoever does so has dealt with the failure.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
        if isinstance(stream, Output):
            stream.failure = None
    os.close(nowhere)


class Output(io.TextIOWrapper):
    """Standard output that remembers what kept it from being written."""

    # The one that `open_streams` made; click puts another in its place where nobody reads on.
    standard: "ClassVar[Output | None]" = None
    failure: OSError | None = None

    def write(self, text: str) -> int:
        with self._noting():
            return super().write(text)

    def flush(self) -> None:
        with self._noting():
            super().flush()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = error
            raise


def open_streams() -> None:
    """Has output that fails be noted, and go nowhere where a shell closed it (`>&-`): Python has None there, which no
    library writes to. A character that the terminal can't show ends no command.
    """
    out = cast("io.TextIOWrapper", sys.stdout or Path(os.devnull).open("w"))  # noqa: SIM115
    buffered, through = out.line_buffering, out.write_through
    sys.stdout = Output.standard = Output(out.detach(), out.encoding, "backslashreplace", None, buffered, through)
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115


def output_failure() -> OSError | None:
    """What keeps the text that was written from arriving on standard output; None where nothing does."""
    out = Output.standard
    if out is not None:
        with contextlib.suppress(OSError):
            out.flush()
    return out.failure if out is not None else None


class Console(rich.console.Console):
    """Text as it is, without colours for what looks like a number or a path, and without anybody's escape sequences.

    Where nobody reads any more (`| head`), it ends the command with the status that a shell expects, 141.
    """

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(highlight=False, stderr=stderr, width=width)

    def render(
        self, renderable: rich.console.RenderableType, options: rich.console.ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments; whatever text is in them, only rich's own control codes reach the terminal."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text), style, control)

    def on_broken_pipe(self) -> None:
        """Keeps the interpreter's last flush from failing too, and ends the command."""
        try:
            super().on_broken_pipe()
        except SystemExit:
            raise SystemExit(128 + signal.SIGPIPE) from None


def write_line(line: str) -> None:
    """Writes a line to standard output as it is, for programs; ends the command as `Console` does."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        Console().on_broken_pipe()
