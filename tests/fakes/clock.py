"""Time that passes only when somebody lets it."""

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)


class FakeClock:
    """`Clock`: sleeping is what makes time pass, unless it stands still for threads that share it."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._lock = threading.Lock()
        self.slept: list[float] = []
        self.stands_still = False

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if not self.stands_still:
            self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Lets so many seconds pass."""
        with self._lock:
            self._now += timedelta(seconds=seconds)

    def in_seconds(self, seconds: float) -> datetime:
        """The moment so many seconds from now."""
        return self.now() + timedelta(seconds=seconds)
