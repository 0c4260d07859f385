"""Pages of the order history, newest first, and the feed of a user's events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.domain.identity import Owner
from chalicelib.domain.order import Order, OrderEvent, OrderType
from chalicelib.domain.quotes import Venue
from chalicelib.domain.tokens import Token
from chalicelib.domain.transitions import OrderStatus

MAX_PAGE = 200


DEFAULT_PAGE = 50


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders; None does not filter. `placed_from` is inclusive, `placed_before` is not.

    Of several tokens an order may have any: SOL and WSOL have one mint.
    """

    user_id: str | None = None
    client_order_id: str | None = None
    status: OrderStatus | None = None
    order_type: OrderType | None = None
    venue: Venue | None = None
    input_token: Token | tuple[Token, ...] | None = None
    output_token: Token | tuple[Token, ...] | None = None
    placed_from: datetime | None = None
    placed_before: datetime | None = None


def symbols_of(token: Token | tuple[Token, ...] | None) -> list[str]:
    """The symbols of a filter's tokens; none where it does not filter."""
    tokens = token if isinstance(token, tuple) else (token,) if token else ()
    return [each.symbol for each in tokens]


@dataclass(frozen=True, slots=True)
class Page:
    """Orders, newest first; `last_id` is where the next page goes on, None after the last one."""

    orders: tuple[Order, ...]
    last_id: str | None


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long orders were in a status, in milliseconds; `total` is from the first event to the last."""

    stage: str
    p50_ms: int
    p95_ms: int


@dataclass(frozen=True, slots=True)
class FeedPlace:
    """Behind which event a page of a feed begins: events are sorted by these."""

    at: datetime
    order_id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A user's events, oldest first; `more` whether others follow already."""

    events: tuple[OrderEvent, ...]
    more: bool


class OwnedHistory(Protocol):
    """Pages of an owner's orders; in open mode of everybody's. Raises `Unavailable`."""

    def feed(self, owner: Owner, user_id: str, *, limit: int, after: FeedPlace | None) -> FeedPage:
        """As `OrderHistory.feed`; whatever the user's name is, the owner's only."""

    def page(self, owner: Owner, filters: OrderFilter, *, limit: int, before_id: str | None) -> Page:
        """As `OrderHistory.page`; whatever the filters say of the user, the owner's only."""

    def stage_times(self, owner: Owner, order_ids: Sequence[str]) -> tuple[StageTime, ...]:
        """As `OrderHistory.stage_times`, of those of these orders that are the owner's."""


class OrderHistory(Protocol):
    """Pages of everybody's orders. Raises `Unavailable`."""

    def feed(self, user_id: str, *, limit: int, after: FeedPlace | None) -> FeedPage:
        """Up to `limit` events of the user's orders behind the place, or from the first on, in the order of their time.

        What is not listed yet is younger than all that is: nothing comes in later before a place.
        """

    def page(self, filters: OrderFilter, *, limit: int, before_id: str | None) -> Page:
        """Up to `limit` orders placed before `before_id` (exclusive); the cost does not depend on how far back."""

    def stage_times(self, order_ids: Sequence[str]) -> tuple[StageTime, ...]:
        """What these orders spent their time on, a row a status that any of them left, and `total`."""
