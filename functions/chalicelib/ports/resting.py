"""Orders that rest, as the watcher needs them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from chalicelib.domain.events import Move
from chalicelib.domain.launches import Launch
from chalicelib.domain.order import History, Order


class RestingOrders(Protocol):
    """Orders that rest, as the watcher needs them. Every method raises `Unavailable`.

    Each reads what it returns and little more, however many orders rest.
    """

    def any_resting(self) -> bool:
        """Whether any order rests."""

    def count(self, most: int) -> int:
        """How many orders rest, counted up to `most`."""

    def count_fired(self, most: int) -> int:
        """How many orders fired and have no worker yet, counted up to `most`."""

    def pairs(self) -> Sequence[tuple[str, str]]:
        """The pairs, input and output symbol, that limit orders rest in."""

    def expired(self, limit: int) -> Sequence[Order]:
        """Resting orders whose time is over, the longest first."""

    def crossing(self, touches: Sequence[tuple[str, str, Decimal]], limit: int) -> Sequence[Order]:
        """Limit orders whose bound the touch of their pair has reached: pair by pair as given, by price, then time."""

    def tokens_with_snipers(self, symbols: Sequence[str]) -> Collection[str]:
        """Those of the tokens that a sniper order rests for."""

    def snipers_of(self, symbol: str, after: str, limit: int) -> Sequence[Order]:
        """Sniper orders that rest for this token, placed after the one with the id `after`, the oldest first."""

    def postpone(self, orders: Sequence[Order], seconds: int) -> None:
        """Has them looked at again in so many seconds, without an event."""

    def move(self, moves: Sequence[tuple[Order, Move]], most_fired: int | None = None) -> Sequence[str]:
        """Writes all moves and events in one statement and returns the ids of the orders that moved.

        Those do that still rest as they were read. What another watcher has locked is left to it. Firings are so many
        at most, with those that have no worker yet; the first go first.
        """

    def followed(self, order_ids: Sequence[str]) -> Sequence[History]:
        """Those of the orders that somebody follows, with their events."""

    def save_launches(self, launches: Sequence[Launch]) -> None:
        """Keeps each pool once, with every event that told of it, as it was seen last."""

    def awake_until(self) -> datetime:
        """Up to when beats are queued."""

    def stay_awake(self, until: datetime) -> None:
        """Notes up to when beats are queued."""

    def last_beat(self) -> datetime | None:
        """When the last whole beat began."""

    def note_beat(self, at: datetime) -> None:
        """Notes a whole beat; an earlier one than is noted changes nothing."""
