"""A real Postgres in the hands of a test: its adapters, time that passes at once, answers that get lost."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import psycopg

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Connection, Database
from chalicelib.config import DatabaseSettings
from chalicelib.domain.order import History, Order
from chalicelib.domain.transitions import Trigger, next_status
from chalicelib.services.ports import Claimed, Lease, Transition
from tests.fakes.builders import an_event, an_id, an_order

LEASE = Lease("11111111-1111-1111-1111-111111111111", 18)
OTHER = Lease("22222222-2222-2222-2222-222222222222", 18)
Result = TypeVar("Result")


def settings_for(url: str) -> DatabaseSettings:
    """The settings of a worker's DATABASE_URL."""
    return DatabaseSettings.from_environment({"DATABASE_URL": url, "DATABASE_CONNECTIONS": "2"})


def open_database(url: str, patience: float = 6.0) -> Database:
    """A container's pool of connections; close it."""
    return Database(settings_for(url), patience)


class Forgetful(Database):
    """Every first answer is lost after the server has committed, so that everything is asked twice."""

    def run(self, work: Callable[[Connection], Result]) -> Result:
        super().run(work)
        return super().run(work)


def let_time_pass(url: str, seconds: float) -> None:
    """Moves every deadline in the database so many seconds nearer."""
    with psycopg.connect(url, autocommit=True) as connection:
        move_deadlines(connection, seconds)


def move_deadlines(connection: psycopg.Connection, seconds: float) -> None:
    """As `let_time_pass`, on an open connection."""
    connection.execute(
        """
        UPDATE orders SET lease_expires_at = lease_expires_at - make_interval(secs => %(seconds)s),
            next_attempt_at = next_attempt_at - make_interval(secs => %(seconds)s),
            attention_at = attention_at - make_interval(secs => %(seconds)s),
            followed_until = followed_until - make_interval(secs => %(seconds)s),
            fires_from = fires_from - make_interval(secs => %(seconds)s),
            expires_at = expires_at - make_interval(secs => %(seconds)s)
        """,
        {"seconds": seconds},
    )
    connection.execute("UPDATE order_attention SET look_at = look_at - make_interval(secs => %s)", [seconds])
    connection.execute("UPDATE idempotency_keys SET created_at = created_at - make_interval(secs => %s)", [seconds])


def fresh(**changes: object) -> Order:
    """A pending order, placed now."""
    now = datetime.now(UTC)
    moment = now.replace(microsecond=now.microsecond // 1000 * 1000)
    order = an_order(order_id=an_id(moment))
    return replace(order, created_at=moment, updated_at=moment, **changes)  # type: ignore[arg-type]


def placed(store: PostgresOrders, *, followed: bool = True, **changes: object) -> History:
    """An order just placed."""
    order = fresh(**changes)
    assert store.insert(order, None) is None
    return store.follow(order.id) if followed else store.get(order.id)


def claimed(store: PostgresOrders, lease: Lease = LEASE, **changes: object) -> History:
    """An order just placed and claimed."""
    claim = store.claim(placed(store, followed=True, **changes).order.id, lease)
    assert isinstance(claim, Claimed)
    return claim.history


def step(
    store: PostgresOrders, history: History, trigger: Trigger, lease: Lease | None = LEASE, **changes: object
) -> History:
    """The order after the trigger; its end gives the lease up."""
    event = an_event(history.order, trigger, **changes)  # type: ignore[arg-type]
    ends = next_status(history.order.status, trigger).is_terminal
    return store.advance(history, Transition(history.order, event, lease, release=ends))


def at_once(count: int, work: Callable[[int], Result]) -> list[Result]:
    """The results of so many threads that start together."""
    together = threading.Barrier(count)

    def run(number: int) -> Result:
        together.wait(10)
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def row_of(url: str, order_id: str) -> dict[str, object]:
    """The whole row of an order."""
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        row = connection.execute("SELECT * FROM orders WHERE id = %s", [order_id]).fetchone()
    assert row is not None
    return row


def count_of(url: str, table: str) -> int:
    """How many rows a table has."""
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])
