"""The two queues in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import History
from chalicelib.ports.queues import Opening
from chalicelib.services.posting import Push
from chalicelib.services.views import history_view


class MemoryQueue:
    """`OrdersQueue`."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.postponed: list[tuple[str, int]] = []
        self.outage = False
        # What it says that it holds: a test drains and fills it by hand.
        self.held = 0

    def send(self, order_id: str) -> None:
        self._reach()
        self.sent.append(order_id)

    def send_many(self, order_ids: Sequence[str]) -> None:
        self._reach()
        self.sent += order_ids

    def depth(self) -> int:
        self._reach()
        return self.held

    def check(self) -> None:
        """Whether it answers."""
        self._reach()

    def postpone(self, receipt_handle: str, seconds: int) -> None:
        """Remembers when the message is to come again."""
        self._reach()
        self.postponed.append((receipt_handle, seconds))

    def _reach(self) -> None:
        if self.outage:
            raise Unavailable("The queue is down.")


class MemoryTicks:
    """`Ticks`."""

    def __init__(self) -> None:
        self.wakes = 0
        self.delays: list[int] = []
        self.outage = False

    def wake(self) -> None:
        self._reach()
        self.wakes += 1

    def schedule(self, delays: Sequence[int]) -> None:
        self._reach()
        self.delays += delays

    def _reach(self) -> None:
        if self.outage:
            raise Unavailable("The queue is down.")


@dataclass(frozen=True)
class SentHistory:
    """A message of the status-events queue."""

    history: History
    connection_id: str | None
    repeat: bool


class MemoryStatusEvents:
    """`StatusEvents`, first in, first out, duplicates dropped as SQS does."""

    def __init__(self) -> None:
        self.sent: list[SentHistory] = []
        self.pushes: list[Push] = []
        self.openings: list[Opening] = []
        self.outage = False
        self._seen: set[tuple[str, int]] = set()

    def send(self, history: History, *, connection_id: str | None = None, repeat: bool = False) -> None:
        self._reach()
        key = (history.order.id, history.order.sequence)
        if connection_id is None and not repeat:
            if key in self._seen:
                return
            self._seen.add(key)
        self.sent.append(SentHistory(history, connection_id, repeat))
        self.pushes.append(Push(history_view(history), connection_id, of_user=history.user_followed))

    def open_streams(self, messages: Sequence[Opening]) -> None:
        self._reach()
        self.openings += messages

    def requeue(self, push: Push) -> None:
        """A push that must come again goes to the end."""
        self._reach()
        self.pushes.append(push)

    def _reach(self) -> None:
        if self.outage:
            raise Unavailable("The queue is down.")
