"""Dying at a named point."""

import threading


class Killed(BaseException):
    """Stands for SIGKILL: no `except Exception` of the code under test may catch it."""


class CrashAt:
    """`CrashPoint` that kills whoever reaches the point, once; it keeps the names of every point passed."""

    def __init__(self, name: str | None = None, *, visit: int = 1) -> None:
        self.name = name
        self.visit = visit
        self.passed: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, name: str) -> None:
        with self._lock:
            self.passed.append(name)
            due = name == self.name and self.passed.count(name) == self.visit
        if due:
            raise Killed(name)
