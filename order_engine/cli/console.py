"""What the commands print to, and what of a server's text reaches a terminal."""

import os
import signal
import sys
import unicodedata
from collections.abc import Iterable
from typing import IO

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


def give_up(*streams: IO[str]) -> None:
    """Has nothing more go to a terminal that is gone: the interpreter's last flush would fail, its status be 120."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


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


def put(line: str) -> None:
    """Writes a line to standard output as it is, for programs; ends the command as `Console` does."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        Console().on_broken_pipe()
