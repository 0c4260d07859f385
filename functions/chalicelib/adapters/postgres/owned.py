"""What belongs to one owner, and nothing else: each statement of orders.py and history.py with the owner in it.

These are adapters of their own, not a condition that may be left out: an owner that is forgotten is NULL in each of
them, equals nobody, and finds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Final

from chalicelib.adapters.postgres.history import (
    FEED,
    STAGE_TIMES,
    feed_of,
    page_from,
    page_statement,
    place_values,
    stage_times_of,
)
from chalicelib.adapters.postgres.limits import limited_insert, refuse
from chalicelib.adapters.postgres.orders import STATEMENTS, PostgresClientOrders, Statements
from chalicelib.adapters.postgres.pool import Connection, Database
from chalicelib.domain.identity import Owner
from chalicelib.ports.access import OrderLimits
from chalicelib.ports.history import FeedPage, FeedPlace, OrderFilter, Page, StageTime

IS_THE_OWNERS: Final = "user_id = %(owner)s"
# For the place that a statement has for a user: what is stored and looked for is the owner, whatever an order says.
USER, OWNER = "%(user_id)s", "%(owner)s"
# Which index leads where a filter has these; all begin with the user, so that no page reads another's entries.
INDEXED = (("user_id", "client_order_id"), ("user_id", "status"), ("user_id",))


def _beside(statement: str, condition: str, added: str = IS_THE_OWNERS) -> str:
    """The statement with another condition beside this one, which must stand in it once."""
    before, found, after = statement.partition(condition)
    if not found or condition in after:
        raise ValueError(f"{condition!r} is to stand once in {statement}")
    return f"{before}{condition} AND {added}{after}"


OWNED: Final = Statements(
    insert=STATEMENTS.insert.replace(USER, OWNER),
    earlier=STATEMENTS.earlier.replace(USER, OWNER),
    holder_of_client_order_id=STATEMENTS.holder_of_client_order_id.replace(USER, OWNER),
    history=_beside(STATEMENTS.history, "WHERE id = %(id)s"),
    events=_beside(
        STATEMENTS.events,
        "WHERE order_id = %(id)s",
        f"EXISTS (SELECT FROM orders WHERE id = %(id)s AND {IS_THE_OWNERS})",
    ),
    follow=_beside(STATEMENTS.follow, "WHERE id = %(id)s"),
    advance=_beside(STATEMENTS.advance, "WHERE id = %(id)s"),
    committed_event=_beside(STATEMENTS.committed_event, "WHERE order_id = %(id)s"),
    count_resting=STATEMENTS.count_resting.replace(USER, OWNER),
    mark_published=_beside(STATEMENTS.mark_published, "WHERE id = %(id)s"),
)

OWNED_STAGE_TIMES: Final = _beside(
    STAGE_TIMES,
    "WHERE order_id = ANY(%(ids)s)",
    f"EXISTS (SELECT FROM orders WHERE id = order_id AND {IS_THE_OWNERS})",
)


OWNED_FEED: Final = FEED.replace(USER, OWNER)

NO_LIMITS: Final = OrderLimits(0, 0)


def within(limits: OrderLimits) -> Statements:
    """The statements, of which the one that stores an order keeps to the limits."""
    if limits == NO_LIMITS:
        return OWNED
    return replace(
        OWNED,
        insert=limited_insert(limits).replace(USER, OWNER),
        refuse=lambda connection, values: refuse(connection, limits, values),
    )


def statements() -> dict[str, str]:
    """Every statement that the adapters of this module run, by name, for whoever checks them."""
    sql = {field.name: str(getattr(OWNED, field.name)) for field in fields(OWNED) if field.name != "refuse"}
    page, _ = owned_page_statement(Owner(None), OrderFilter(), limit=1, before_id=None)
    return {**sql, "page": page, "stage_times": OWNED_STAGE_TIMES, "feed": OWNED_FEED}


class PostgresOwnedOrders:
    """`OwnedOrders` on Postgres."""

    def __init__(self, database: Database, limits: OrderLimits = NO_LIMITS) -> None:
        self._database = database
        self._bound = {"per_minute": limits.per_minute, "max_open": limits.max_open}
        self._sql = within(limits)

    def of(self, owner: Owner) -> PostgresClientOrders:
        return PostgresClientOrders(self._database, self._sql, {"owner": owner.subject, **self._bound})


class PostgresOwnedHistory:
    """`OwnedHistory` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def feed(self, owner: Owner, user_id: str, *, limit: int, after: FeedPlace | None) -> FeedPage:  # noqa: ARG002
        values = {"owner": owner.subject, **place_values(after), "rows": limit + 1}
        return self._database.run(lambda connection: feed_of(connection, OWNED_FEED, values))

    def page(self, owner: Owner, filters: OrderFilter, *, limit: int, before_id: str | None) -> Page:
        statement, values = owned_page_statement(owner, filters, limit=limit, before_id=before_id)

        def read(connection: Connection) -> Page:
            return page_from(connection.execute(statement.encode(), values).fetchall(), limit)

        return self._database.run(read)

    def stage_times(self, owner: Owner, order_ids: Sequence[str]) -> tuple[StageTime, ...]:
        values = {"ids": list(order_ids), "owner": owner.subject}
        return self._database.run(lambda connection: stage_times_of(connection, OWNED_STAGE_TIMES, values))


def owned_page_statement(
    owner: Owner, filters: OrderFilter, *, limit: int, before_id: str | None
) -> tuple[str, dict[str, object]]:
    """The statement of a page of the owner's orders, and its values."""
    # Any user leads to the statement with a place for one.
    statement, values = page_statement(
        replace(filters, user_id=OWNER), limit=limit, before_id=before_id, indexed=INDEXED
    )
    del values["user_id"]
    return statement.replace(USER, OWNER), {**values, "owner": owner.subject}
