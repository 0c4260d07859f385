"""A real Postgres in the hands of a test: its adapters, time that passes at once, answers that get lost."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
from psycopg.rows import dict_row

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Connection, Database
from chalicelib.config import DatabaseSettings
from chalicelib.domain.order import History, Order
from chalicelib.domain.transitions import Trigger, next_status
from chalicelib.ports.orders import Claimed, Lease, Transition
from tests.fakes.builders import a_transaction, an_event, an_id, an_order

LEASE = Lease("11111111-1111-1111-1111-111111111111", 18)
PATH = (Trigger.START, Trigger.CHOOSE_ROUTE, Trigger.SUBMIT, Trigger.CONFIRM)
OTHER = Lease("22222222-2222-2222-2222-222222222222", 18)
Result = TypeVar("Result")


def settings_for(url: str) -> DatabaseSettings:
    """The settings of a worker's DATABASE_URL."""
    return DatabaseSettings.from_environment({"DATABASE_URL": url, "DATABASE_CONNECTIONS": "2"})


@contextmanager
def a_server(*, migrated: bool = True) -> Iterator[str]:
    """The address of a server of its own, which is gone afterwards."""
    # What the other tests need not load.
    from infra.migrations.migrate import upgrade
    from localstack.local_stack import postgres
    from localstack.local_stack.processes import Reaper

    with tempfile.TemporaryDirectory() as name, Reaper() as reaper:
        home = Path(name)
        home.chmod(0o755)  # the server may run as another user
        running = postgres.run(home / "postgres", home / "postgres.log", reaper, durable=False)
        try:
            if migrated:
                upgrade(running.url)
            yield running.url
        finally:
            running.stop()


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
            user_followed_until = user_followed_until - make_interval(secs => %(seconds)s),
            fires_from = fires_from - make_interval(secs => %(seconds)s),
            expires_at = expires_at - make_interval(secs => %(seconds)s)
        """,
        {"seconds": seconds},
    )
    connection.execute(
        "UPDATE followed_users SET followed_until = followed_until - make_interval(secs => %s)", [seconds]
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


def advanced(store: PostgresOrders, history: History, trigger: Trigger) -> History:
    """The order after the trigger; what is submitted was signed before."""
    if trigger is Trigger.SUBMIT:
        order = store.save_signed_transaction(history.order, a_transaction(), LEASE)
        history = History(order, history.events)
    return step(store, history, trigger)


@contextmanager
def uncommitted(url: str, work: Callable[[PostgresOrders], Result]) -> Iterator[Result]:
    """Does the work in a transaction that is committed at the end of the block."""

    class InOne:
        def run(self, call: Callable[[psycopg.Connection[dict[str, object]]], object]) -> object:
            return call(connection)

    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute("SELECT")  # else it begins, and ends, with what the work does in one transaction
        yield work(PostgresOrders(InOne()))  # type: ignore[arg-type]


def waits_for_a_lock(url: str, future: Future[Result]) -> None:
    """Returns once a statement waits for a lock; fails where it went through instead."""
    give_up = time.monotonic() + 20
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < give_up:
            assert not future.done(), "It did not wait for the other one."
            row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
            if row and row[0]:
                return
            time.sleep(0.01)
    pytest.fail("It neither waited nor ended.")
