"""Reads what the functions log (local_stack/function_log.py keeps it), again and again."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self, TextIO

from localstack.logs.log_lines import Line


def _rotated(path: Path) -> Path:
    return path.with_suffix(path.suffix + ".1")


class LogReader:
    """The lines in the file: those that are there, the rotated file's among them, then those that are added.

    A context manager, which keeps the file open: what is rotated between two looks is not lost.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._begun = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def existing(self) -> list[Line]:
        """Every line that is there, oldest first; called first and once."""
        added = self._read_rest()
        try:
            before = _rotated(self._path).open(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return added
        with before:
            # It has just become the rotated one.
            if self._file is not None and os.path.sameopenfile(before.fileno(), self._file.fileno()):
                return added
            return [*_parse(before), *added]

    def skip(self) -> None:
        """Leaves out what is there; called first and once."""
        with contextlib.suppress(FileNotFoundError):
            self._file = self._path.open(encoding="utf-8", errors="replace")
            self._file.seek(0, os.SEEK_END)

    def added(self) -> list[Line]:
        """The lines since the last call, across a rotation."""
        lines = self._read_rest()
        if self._file is not None and self._was_replaced(self._file):
            lines += self._read_rest()  # written between the look above and the rotation
            self._close()
            lines += self._read_rest()
        return lines

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._begun = None, ""

    def _was_replaced(self, file: TextIO) -> bool:
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(file.fileno()))
        except FileNotFoundError:
            return False

    def _read_rest(self) -> list[Line]:
        if self._file is None:
            try:
                self._file = self._path.open(encoding="utf-8", errors="replace")
            except FileNotFoundError:
                return []
        *whole, self._begun = (self._begun + self._file.read()).split("\n")
        return _parse(whole)


def _parse(texts: Iterable[str]) -> list[Line]:
    """The lines in them; what a crash cut short is none."""
    lines = []
    for text in texts:
        with contextlib.suppress(ValueError):
            lines.append(Line.from_json(text))
    return lines
