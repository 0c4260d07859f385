"""Messages that no worker could process."""

from __future__ import annotations

from typing import Protocol


class DeadLetterArchive(Protocol):
    """Messages kept for a post-mortem. Raises `Unavailable`."""

    def keep(self, message_id: str, order_id: str | None, body: str, receive_count: int, outcome: str) -> None: ...
