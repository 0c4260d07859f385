"""Pages of the orders that a store in memory has."""

from chalicelib.services.browse import OrderFilter, Page, symbols_of
from tests.fakes.store import MemoryOrders


class MemoryHistory:
    """`OrderHistory`."""

    def __init__(self, store: MemoryOrders) -> None:
        self._store = store

    def page(self, filters: OrderFilter, *, limit: int, before_id: str | None) -> Page:
        self._store.reach()
        wanted = {
            "user_id": filters.user_id,
            "client_order_id": filters.client_order_id,
            "status": filters.status,
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
