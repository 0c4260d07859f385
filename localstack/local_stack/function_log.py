"""Keeps what the functions log in a file.

Nothing but the standard library: the emulator's process loads it by its place.
"""

import json
import threading
import time
from pathlib import Path
from typing import TextIO

_ROTATE_BYTES = 20 * 1024 * 1024


class FunctionLog:
    """Appends each line of one stack's functions as a line of JSON: `function`, `at` (epoch seconds), `text`.

    Past 20 MiB the file begins anew; the last one is kept as `.1`. Used by many threads.
    """

    def __init__(self, path: Path, prefix: str) -> None:
        """`prefix` is what the names of the stack's functions begin with; it is cut off."""
        self._path = path
        self._prefix = prefix
        self._lock = threading.Lock()
        self._file: TextIO | None = None

    def write(self, function: str, text: str) -> None:
        """Keeps what an invocation wrote. Raises OSError, e.g. where the disk is full."""
        if not text or not function.startswith(self._prefix):
            return
        name, at = function.removeprefix(self._prefix), time.time()
        kept = "".join(
            json.dumps({"function": name, "at": at, "text": line}, ensure_ascii=False) + "\n"
            for line in text.splitlines()
            if line
        )
        with self._lock:
            file = self._opened()
            file.write(kept)
            file.flush()

    def close(self) -> None:
        """Closes the file; a line that comes later opens it again."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def _opened(self) -> TextIO:
        if self._file is not None and self._file.tell() > _ROTATE_BYTES:
            self._file.close()
            self._file = None
            self._path.replace(self._path.with_suffix(self._path.suffix + ".1"))
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace")
        return self._file
