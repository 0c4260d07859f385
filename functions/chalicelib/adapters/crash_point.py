"""Killing the process at a named point, for tests.

Off unless CRASH_DIRECTORY names a folder, which no template parameter can do, and never inside AWS Lambda. A file in
that folder named after a point arms it: the first process that gets there removes the file and dies at once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path


def crash_point_from(environ: Mapping[str, str]) -> CrashFolder | NoCrash:
    """What the environment asks for: nothing, except in a test."""
    folder = environ.get("CRASH_DIRECTORY", "")
    # Lambda writes AWS_Lambda_python3.13 there; Chalice writes "AWS_Lambda aws-chalice/…" everywhere else.
    on_aws = environ.get("AWS_EXECUTION_ENV", "").startswith("AWS_Lambda_")
    return CrashFolder(Path(folder)) if folder and not on_aws else NoCrash()


class NoCrash:
    """Production: nothing ever happens."""

    def __call__(self, name: str) -> None:
        """Does nothing."""


class CrashFolder:
    """Dies where a file says so."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str) -> None:
        """Kills this process with SIGKILL, once for each time that the point was armed."""
        try:
            (self._folder / name).unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
