"""What every function has: time, log lines and metrics, and where tests kill it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time, as the services see it."""

    def now(self) -> datetime: ...

    def sleep(self, seconds: float) -> None: ...


class Telemetry(Protocol):
    """Structured log lines and metrics."""

    def debug(self, event: str, **fields: object) -> None:
        """A step, written where LOG_LEVEL is DEBUG: an order's end tells its steps anyway."""

    def log(self, event: str, **fields: object) -> None: ...

    def warn(self, event: str, **fields: object) -> None: ...

    def exception(self, event: str, error: Exception, **fields: object) -> None:
        """Something that should not happen, with its traceback."""

    def add_metric(self, metric: str, value: float = 1, **dimensions: str) -> None: ...


class CrashPoint(Protocol):
    """Where a test may kill the process; does nothing otherwise."""

    def __call__(self, name: str) -> None: ...
