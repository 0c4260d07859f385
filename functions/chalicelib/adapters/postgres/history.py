"""Pages of the order history by keyset: ids sort by time, so one index serves every page at the same cost."""

from __future__ import annotations

from chalicelib.adapters.postgres.pool import Connection, Database
from chalicelib.adapters.postgres.rows import ORDER_COLUMNS, order_from
from chalicelib.domain.order import first_id_at
from chalicelib.services.browse import OrderFilter, Page

CONDITIONS = {
    "user_id": "user_id = %(user_id)s",
    "client_order_id": "client_order_id = %(client_order_id)s",
    "status": "status = %(status)s",
    "venue": "venue = %(venue)s",
    "input_token": "input_token = %(input_token)s",
    "output_token": "output_token = %(output_token)s",
    "from_id": "id >= %(from_id)s",
    "until_id": "id < %(until_id)s",
    "before_id": "id < %(before_id)s",
}


class PostgresHistory:
    """`OrderHistory` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, which: OrderFilter, *, limit: int, before_id: str | None) -> Page:
        statement, values = page_statement(which, limit=limit, before_id=before_id)

        def read(connection: Connection) -> Page:
            orders = tuple(order_from(row) for row in connection.execute(statement.encode(), values))
            more = len(orders) > limit
            return Page(orders[:limit], orders[limit - 1].id if more else None)

        return self._database.run(read)


def page_statement(which: OrderFilter, *, limit: int, before_id: str | None) -> tuple[str, dict[str, object]]:
    """The statement of a page and its values; one row more than the page tells whether another follows."""
    given: dict[str, object] = {
        "user_id": which.user_id,
        "client_order_id": which.client_order_id,
        "status": which.status,
        "venue": which.venue,
        "input_token": which.input_token.symbol if which.input_token else None,
        "output_token": which.output_token.symbol if which.output_token else None,
        "from_id": first_id_at(which.placed_from) if which.placed_from else None,
        "until_id": first_id_at(which.placed_before) if which.placed_before else None,
        "before_id": before_id,
    }
    used = [CONDITIONS[name] for name, value in given.items() if value is not None]
    where = f"WHERE {' AND '.join(used)}" if used else ""
    statement = f"SELECT {ORDER_COLUMNS} FROM orders {where} ORDER BY id DESC LIMIT %(rows)s"  # noqa: S608
    return statement, {**given, "rows": limit + 1}
