"""What is sent to queues and taken from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from chalicelib.domain.order import History


class OrdersQueue(Protocol):
    """Orders that wait for a worker. Raises `Unavailable`."""

    def send(self, order_id: str) -> None: ...

    def send_many(self, order_ids: Sequence[str]) -> None:
        """Sends each a message; where it raises, some may have got theirs."""

    def depth(self) -> int:
        """About how many messages there are, those that workers have included; up to a minute old."""


class Ticks(Protocol):
    """The watcher's beats. Raises `Unavailable`."""

    def wake(self) -> None:
        """Has the watcher look at once, and go on until the next minute's beat."""

    def schedule(self, delays: Sequence[int]) -> None:
        """Queues a beat for each delay, in seconds; where it raises, some may have been queued."""


class StatusEvents(Protocol):
    """What followers are told: one message is an order's whole history so far. Raises `Unavailable`."""

    def send(self, history: History, *, connection_id: str | None = None, repeat: bool = False) -> None:
        """Queues the history in the order's group; `connection_id` narrows it to one follower.

        `repeat` sends a history that may have been sent before: the queue would drop it as a duplicate otherwise.
        """


@dataclass(frozen=True, slots=True)
class Opening:
    """Frames that a stream of all of a user's orders begins with: all of them, or from the `first`, from 1, on.

    `subscribed_at` is the moment of the subscription that they are for; `tries` are the message's earlier deliveries.
    """

    user_id: str
    connection_id: str
    subscribed_at: datetime
    first: int
    frames: tuple[Mapping[str, Any], ...]
    tries: int = 0


class StreamEvents(StatusEvents, Protocol):
    """As `StatusEvents`, for whoever begins to follow."""

    def open_streams(self, messages: Sequence[Opening]) -> None:
        """Queues what a connection's stream of all orders of a user begins with, in a group of the connection."""


class GroupQueue(Protocol):
    """A FIFO queue, for the messages of a batch. Raises `Unavailable`."""

    def acknowledge(self, receipt_handles: Sequence[str]) -> None:
        """Deletes them, so that their groups go on at once."""

    def postpone(self, receipt_handles: Sequence[str], seconds: int) -> None:
        """Makes them come back in so many seconds."""
