"""Who follows an order, and what each of them has seen. Needs no database: it runs where none can be reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

# $connect ends after 15 s at the latest (its time-out); until then a 410 may only mean that the connection is not open
# yet, and forgetting it would leave an open connection that nobody ever serves.
HANDSHAKE_AGE = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Follower:
    """One connection that follows one order; it has been sent everything up to `last_sequence`.

    Or all orders of a user, where `order_id` is user_stream.user_key(): then `last_sequence` counts the frames that it
    begins with, `opening` says how many these are, None until that is known, and `shown` up to where they tell of each
    order. Each of its orders that moved has a row of its own, `of_user`; `through` is the one that it comes from.

    `connected_at` is the moment of this subscription; subscribing anew makes another.
    `opened` once it is known that its handshake is over: something was posted to it, or it sent us a message.
    `session_ends_at` is when whoever follows may do so no longer; None for never.
    `apart` once it could not be served at once: from then on it has a message group of its own, and holds up nobody.
    """

    order_id: str
    connection_id: str
    last_sequence: int
    connected_at: datetime
    opened: bool = False
    session_ends_at: datetime | None = None
    apart: bool = False
    of_user: bool = False
    opening: int | None = None
    shown: Mapping[str, int] = field(default_factory=dict)
    through: Follower | None = None

    @property
    def has_begun(self) -> bool:
        """Of all orders of a user: whether everything was posted that it begins with."""
        return self.opening is not None and self.last_sequence >= self.opening

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from every other."""
        return self.order_id, self.connection_id

    def is_over(self, now: datetime) -> bool:
        """Whether the session has ended: nothing may be sent any more."""
        return self.session_ends_at is not None and now >= self.session_ends_at

    def may_still_open(self, now: datetime) -> bool:
        """Whether a 410 may come from a handshake that has not returned yet."""
        return not self.opened and now - self.connected_at < HANDSHAKE_AGE


class Delivery(Enum):
    """What became of a push to one connection."""

    DELIVERED = "delivered"
    GONE = "gone"
    BUSY = "busy"


MAX_SUBSCRIPTIONS = 100


class TooManySubscriptions(Exception):
    """The connection follows as many orders as one may."""

    def __init__(self) -> None:
        super().__init__(f"One connection follows at most {MAX_SUBSCRIPTIONS} orders.")


class Followers(Protocol):
    """The connections table. Raises `Unavailable`."""

    def add(self, follower: Follower) -> None:
        """Stores a follower; a second subscription of the same connection replaces the first.

        Raises:
            TooManySubscriptions: the connection follows 100 other orders, those counted that it asks for right now.
        """

    def begin(self, follower: Follower, opening: int, shown: Mapping[str, int]) -> None:
        """Notes what the stream of all of a user's orders begins with, unless it is gone or was subscribed anew."""

    def set_apart(self, follower: Follower) -> None:
        """Notes that the follower has its own message group, unless it is gone or has subscribed anew by now."""

    def of_order(self, order_id: str) -> Sequence[Follower]:
        """Everybody who follows the order, read consistently; through its user only who was sent something of it."""

    def orders_of(self, connection_id: str) -> Sequence[str]:
        """The ids of all orders that the connection follows, read consistently."""

    def find(self, order_id: str, connection_id: str) -> Follower | None:
        """This follower, read consistently."""

    def record(self, follower: Follower, sequence: int) -> None:
        """Notes what the follower has been sent, unless it is gone or has subscribed anew by now.

        One that follows the order through its user gets its row here, or by `set_apart`.
        """

    def leave_to_user(self, order_id: str, connection_id: str) -> None:
        """Forgets that the order was named; what was sent of it stays known to who follows its user."""

    def remove(self, order_id: str, connection_id: str) -> None:
        """Forgets the follower."""

    def forget(self, connection_id: str) -> Sequence[str]:
        """Forgets the connection and everything that it followed, which is returned."""


class Notifier(Protocol):
    """Posts to open WebSocket connections."""

    def post(self, connection_id: str, text: str) -> Delivery:
        """Sends one text frame."""

    def close(self, connection_id: str) -> bool:
        """Closes the connection, so that its client knows that it must come back; False where it could not be."""


class Connections(Protocol):
    """The connections table, as heartbeats need it. Every method raises `Unavailable`."""

    def sessions(self) -> Mapping[str, datetime | None]:
        """Every connection that follows an order, and when the last of its sessions ends: None for never."""

    def orders_of(self, connection_id: str) -> Iterable[str]:
        """The ids of all orders that the connection follows."""

    def find(self, order_id: str, connection_id: str) -> Follower | None:
        """This follower, read consistently."""

    def remove(self, order_id: str, connection_id: str) -> None:
        """Forgets the follower."""
