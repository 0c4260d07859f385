"""Pages of the order history by keyset: ids sort by time, so each index that ends in the id serves every page alike.

Three things keep a page's cost the same, however deep it is and however rare what it looks for:

- The ids come from an index alone, then the orders with these ids.
- The planner cannot walk the primary key and filter, which by its statistics is right for a user who has a third of all
  orders, and reads half the table if the last of them is a year old. The filters' indexes sort the id by the collation
  POSIX, which is the primary key's C by another name: only these indexes have the order that is asked for.
- Filters that no single index covers are looked for within a window of so many entries behind the page's start. Where
  the window ends before the page is full, the page is shorter, and the next one goes on behind the window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from psycopg.rows import DictRow

from chalicelib.adapters.postgres.pool import Connection, Database
from chalicelib.adapters.postgres.rows import EVENT_COLUMNS, ORDER_COLUMNS, event_from, order_from
from chalicelib.domain.order import first_id_at
from chalicelib.ports.history import FeedPage, FeedPlace, OrderFilter, Page, StageTime, symbols_of

# Index entries that a search reads for one page: a few milliseconds.
WINDOW = 2_000
# What leads each index, in its order; the first that a filter covers is used, the rest is checked within the window.
INDEXED = (
    ("client_order_id",),
    ("user_id", "status"),
    ("user_id",),
    ("input_token", "output_token"),
    ("status",),
    ("venue",),
    (),
)


# In the order in which statuses first come; the events of a few hundred orders, by their primary key.
STAGE_TIMES = """
WITH spans AS (
    SELECT order_id, status AS stage, sequence,
           extract(epoch FROM lead(occurred_at) OVER next_event - occurred_at) * 1000 AS ms
    FROM order_events WHERE order_id = ANY(%(ids)s)
    WINDOW next_event AS (PARTITION BY order_id ORDER BY sequence)
), totals AS (
    SELECT stage, ms, sequence FROM spans WHERE ms IS NOT NULL
    UNION ALL
    SELECT 'total', sum(ms), 1000000 FROM spans GROUP BY order_id HAVING sum(ms) IS NOT NULL
)
SELECT stage, round(percentile_disc(0.5) WITHIN GROUP (ORDER BY ms))::bigint AS p50_ms,
       round(percentile_disc(0.95) WITHIN GROUP (ORDER BY ms))::bigint AS p95_ms
FROM totals GROUP BY stage ORDER BY min(sequence)
"""


# A statement takes 5 s at most (infra/migrations/roles.py), and takes its time within these: what is not committed yet
# has no earlier one.
FEED = f"""
SELECT {EVENT_COLUMNS} FROM order_events
WHERE user_id = %(user_id)s AND (occurred_at, order_id, sequence) > (%(at)s, %(order_id)s, %(sequence)s)
  AND occurred_at < statement_timestamp() - interval '5 seconds'
ORDER BY occurred_at, order_id, sequence LIMIT %(rows)s
"""  # noqa: S608 - the columns are constants
THE_BEGINNING = FeedPlace(datetime.min.replace(tzinfo=UTC), "", 0)


class PostgresHistory:
    """`OrderHistory` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def feed(self, user_id: str, *, limit: int, after: FeedPlace | None) -> FeedPage:
        values = {"user_id": user_id, **place_values(after), "rows": limit + 1}
        return self._database.run(lambda connection: feed_of(connection, FEED, values))

    def page(self, filters: OrderFilter, *, limit: int, before_id: str | None) -> Page:
        statement, values = page_statement(filters, limit=limit, before_id=before_id)

        def read(connection: Connection) -> Page:
            return page_from(connection.execute(statement.encode(), values).fetchall(), limit)

        return self._database.run(read)

    def stage_times(self, order_ids: Sequence[str]) -> tuple[StageTime, ...]:
        values = {"ids": list(order_ids)}
        return self._database.run(lambda connection: stage_times_of(connection, STAGE_TIMES, values))


def place_values(after: FeedPlace | None) -> dict[str, object]:
    """The values of FEED that say where it begins."""
    place = after or THE_BEGINNING
    return {"at": place.at, "order_id": place.order_id, "sequence": place.sequence}


def feed_of(connection: Connection, statement: str, values: Mapping[str, object]) -> FeedPage:
    """The page of FEED, or of a statement made of it; one row more than the limit says that others follow."""
    events = tuple(event_from(row) for row in connection.execute(statement.encode(), values))
    limit = int(str(values["rows"])) - 1
    return FeedPage(events[:limit], more=len(events) > limit)


def stage_times_of(connection: Connection, statement: str, values: Mapping[str, object]) -> tuple[StageTime, ...]:
    """The rows of STAGE_TIMES, or of a statement made of it."""
    return tuple(StageTime(**row) for row in connection.execute(statement.encode(), values))


def page_from(rows: list[DictRow], limit: int) -> Page:
    """The page that these rows are; one more than the limit says that another follows."""
    orders = tuple(order_from(row) for row in rows if row["id"] is not None)
    if len(orders) > limit:
        return Page(orders[:limit], orders[limit - 1].id)
    return Page(orders, rows[0]["go_on"] if rows else None)


def page_statement(
    filters: OrderFilter, *, limit: int, before_id: str | None, indexed: Sequence[tuple[str, ...]] = INDEXED
) -> tuple[str, dict[str, object]]:
    """The statement of a page and its values; one row more than the page tells whether another follows."""
    given = _equalities(filters)
    single = {name for name, value in given.items() if isinstance(value, str)}
    leading = next(columns for columns in indexed if set(columns) <= single)
    rest = [name for name in given if name not in leading]
    bounds = {
        "from_id": first_id_at(filters.placed_from) if filters.placed_from else None,
        "until_id": first_id_at(filters.placed_before) if filters.placed_before else None,
        "before_id": before_id,
    }
    values: dict[str, object] = {**given, **{name: value for name, value in bounds.items() if value is not None}}
    entries = _entries(leading, rest, [name for name in bounds if name in values])
    matching = " AND ".join(f"{name} = {'' if name in single else 'ANY'}(%({name})s)" for name in rest)
    return _search(entries, leading, matching, limit + 1) if rest else _lookup(entries, leading, limit + 1), values


def _equalities(filters: OrderFilter) -> dict[str, str | list[str]]:
    """What each column has to be, or one of what."""
    input_tokens, output_tokens = symbols_of(filters.input_token), symbols_of(filters.output_token)
    wanted = {
        "user_id": filters.user_id,
        "client_order_id": filters.client_order_id,
        "status": filters.status,
        "order_type": filters.order_type,
        "venue": filters.venue,
        "input_token": input_tokens[0] if len(input_tokens) == 1 else None,
        "output_token": output_tokens[0] if len(output_tokens) == 1 else None,
    }
    several = {"input_token": input_tokens, "output_token": output_tokens}
    return {
        **{name: str(value) for name, value in wanted.items() if value is not None},
        **{name: symbols for name, symbols in several.items() if len(symbols) > 1},
    }


def _entries(leading: tuple[str, ...], rest: list[str], bounds: list[str]) -> str:
    """Everything in the index that the leading columns and the bounds leave, newest first."""
    key = _key(leading)
    conditions = [
        *(f"{name} = %({name})s" for name in leading),
        *(f"{key} {'>=' if name == 'from_id' else '<'} %({name})s" for name in bounds),
    ]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {', '.join(['id', *rest])} FROM orders {where} ORDER BY {key} DESC"  # noqa: S608 - our own columns


def _key(leading: tuple[str, ...]) -> str:
    return 'id COLLATE "POSIX"' if leading else "id"


# Limits are written into the statements: for a parameter the planner would assume a tenth of the table.


def _lookup(entries: str, leading: tuple[str, ...], rows: int) -> str:
    return f"""
SELECT {ORDER_COLUMNS}, NULL AS go_on FROM ({entries} LIMIT {rows}) AS page JOIN orders USING (id)
ORDER BY {_key(leading)} DESC
"""  # noqa: S608 - names of our own columns, and a number


def _search(entries: str, leading: tuple[str, ...], matching: str, rows: int) -> str:
    """`go_on` is where the window ended, if that is why the page is short; it is counted only then."""
    return f"""
WITH seen AS MATERIALIZED ({entries} LIMIT {WINDOW}),
found AS MATERIALIZED (SELECT id FROM seen WHERE {matching} ORDER BY {_key(leading)} DESC LIMIT {rows}),
edge AS (
    SELECT CASE WHEN (SELECT count(*) FROM found) < {rows} AND (SELECT count(*) FROM seen) = {WINDOW}
                THEN (SELECT min(id) FROM seen) END AS go_on
)
SELECT {ORDER_COLUMNS}, go_on FROM edge LEFT JOIN (found JOIN orders USING (id)) ON true
ORDER BY id DESC NULLS LAST
"""  # noqa: S608 - names of our own columns, and numbers
