"""Dead letters kept in a list."""

from dataclasses import dataclass

from chalicelib.domain.errors import Unavailable


@dataclass(frozen=True)
class Kept:
    """An archived message."""

    message_id: str
    order_id: str | None
    body: str
    receive_count: int
    verdict: str


class MemoryArchive:
    """`DeadLetterArchive`."""

    def __init__(self) -> None:
        self.kept: list[Kept] = []
        self.outage = False

    def keep(self, message_id: str, order_id: str | None, body: str, receive_count: int, outcome: str) -> None:
        if self.outage:
            raise Unavailable("The archive is down.")
        self.kept.append(Kept(message_id, order_id, body, receive_count, outcome))
