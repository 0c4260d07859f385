"""Pages of the orders that a store in memory has."""

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from chalicelib.domain.order import OrderEvent
from chalicelib.ports.history import FeedPage, FeedPlace, OrderFilter, Page, StageTime, symbols_of
from tests.fakes.store import MemoryOrders


class MemoryHistory:
    """`OrderHistory`."""

    def __init__(self, store: MemoryOrders) -> None:
        self._store = store

    def feed(self, user_id: str, *, limit: int, after: FeedPlace | None) -> FeedPage:
        self._store.reach()
        rows = [row for row in self._store.rows.values() if row.order.user_id == user_id]
        events = sorted((event for row in rows for event in row.events), key=_place)
        found = [
            event for event in events if after is None or _place(event) > (after.at, after.order_id, after.sequence)
        ]
        return FeedPage(tuple(found[:limit]), more=len(found) > limit)

    def page(self, filters: OrderFilter, *, limit: int, before_id: str | None) -> Page:
        self._store.reach()
        wanted = {
            "user_id": filters.user_id,
            "client_order_id": filters.client_order_id,
            "status": filters.status,
            "order_type": filters.order_type,
        }
        found = [
            row.order
            for order_id, row in sorted(self._store.rows.items(), reverse=True)
            if (before_id is None or order_id < before_id)
            and all(value is None or getattr(row.order, name) == value for name, value in wanted.items())
            and (not filters.input_token or row.order.input_token.symbol in symbols_of(filters.input_token))
            and (not filters.output_token or row.order.output_token.symbol in symbols_of(filters.output_token))
            and (filters.venue is None or (row.order.route and row.order.route.chosen.venue is filters.venue))
            and (filters.placed_from is None or row.order.created_at >= filters.placed_from)
            and (filters.placed_before is None or row.order.created_at < filters.placed_before)
        ]
        page = tuple(found[:limit])
        return Page(page, page[-1].id if len(found) > limit else None)

    def stage_times(self, order_ids: Sequence[str]) -> tuple[StageTime, ...]:
        spans: dict[str, list[float]] = {}
        for order_id in order_ids:
            events = self._store.rows[order_id].events
            lasted = [
                (before.status, (after.occurred_at - before.occurred_at).total_seconds() * 1000)
                for before, after in pairwise(events)
            ]
            for stage, ms in [*lasted, *([("total", sum(ms for _, ms in lasted))] if lasted else [])]:
                spans.setdefault(str(stage), []).append(ms)
        first: dict[str, int] = {
            str(event.status): event.sequence
            for order_id in order_ids
            for event in sorted(self._store.rows[order_id].events, key=lambda event: -event.sequence)
        }
        return tuple(
            StageTime(stage, _quantile(spans[stage], 0.5), _quantile(spans[stage], 0.95))
            for stage in sorted(spans, key=lambda stage: first.get(stage, 1_000_000))
        )


def _place(event: OrderEvent) -> tuple[datetime, str, int]:
    return event.occurred_at, event.order_id, event.sequence


def _quantile(values: list[float], share: float) -> int:
    return round(sorted(values)[max(math.ceil(len(values) * share), 1) - 1])
