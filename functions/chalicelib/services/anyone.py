"""Open mode behind the owned ports: nobody proves who he is, so every order answers whoever knows its id."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.identity import Owner
from chalicelib.ports.history import FeedPage, FeedPlace, OrderFilter, OrderHistory, Page, StageTime
from chalicelib.ports.orders import ClientOrders


class AnyonesOrders:
    """`OwnedOrders` that asks no owner."""

    def __init__(self, store: ClientOrders) -> None:
        self._store = store

    def of(self, _owner: Owner) -> ClientOrders:
        return self._store


class AnyonesHistory:
    """`OwnedHistory` that asks no owner."""

    def __init__(self, history: OrderHistory) -> None:
        self._history = history

    def feed(self, _owner: Owner, user_id: str, *, limit: int, after: FeedPlace | None) -> FeedPage:
        return self._history.feed(user_id, limit=limit, after=after)

    def page(self, _owner: Owner, filters: OrderFilter, *, limit: int, before_id: str | None) -> Page:
        return self._history.page(filters, limit=limit, before_id=before_id)

    def stage_times(self, _owner: Owner, order_ids: Sequence[str]) -> tuple[StageTime, ...]:
        return self._history.stage_times(order_ids)


class NoLimits:
    """`Allowances` of whoever asks."""

    def take(self, _owner: Owner) -> None:
        """Anybody may have anything."""
