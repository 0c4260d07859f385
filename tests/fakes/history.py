"""Pages of the orders that a store in memory has."""

from chalicelib.services.browse import OrderFilter, Page, symbols_of
from tests.fakes.store import MemoryOrders


class MemoryHistory:
    """`OrderHistory`."""

    def __init__(self, store: MemoryOrders) -> None:
        self._store = store

    def page(self, which: OrderFilter, *, limit: int, before_id: str | None) -> Page:
        self._store.reach()
        wanted = {
            "user_id": which.user_id,
            "client_order_id": which.client_order_id,
            "status": which.status,
        }
        found = [
            row.order
            for order_id, row in sorted(self._store.rows.items(), reverse=True)
            if (before_id is None or order_id < before_id)
            and all(value is None or getattr(row.order, name) == value for name, value in wanted.items())
            and (not which.input_token or row.order.input_token.symbol in symbols_of(which.input_token))
            and (not which.output_token or row.order.output_token.symbol in symbols_of(which.output_token))
            and (which.venue is None or (row.order.route and row.order.route.chosen.venue is which.venue))
            and (which.placed_from is None or row.order.created_at >= which.placed_from)
            and (which.placed_before is None or row.order.created_at < which.placed_before)
        ]
        page = tuple(found[:limit])
        return Page(page, page[-1].id if len(found) > limit else None)
