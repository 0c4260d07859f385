"""Postgres that is away, breaks connections or keeps a statement waiting."""

import psycopg
import pytest

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.domain.errors import (
    Unavailable,
)
from chalicelib.domain.transitions import OrderStatus, Trigger
from tests.fakes.postgres import (
    at_once,
    claimed,
    open_database,
    placed,
    step,
)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    database = open_database("postgresql://nobody@127.0.0.1:1/none", patience=0.3)
    try:
        with pytest.raises(Unavailable, match="database cannot be reached"):
            PostgresOrders(database).get("ord_1")
        with pytest.raises(Unavailable):
            database.check()
    finally:
        database.close()


def test_broken_connections_are_replaced(store: PostgresOrders, database: Database, database_url: str) -> None:
    history = placed(store)
    database.check()
    for _ in range(3):
        with psycopg.connect(database_url, autocommit=True) as connection:
            killed = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'order-engine'"
            ).fetchall()
        assert killed
        assert store.get(history.order.id) == history


def test_a_statement_that_waits_too_long_is_given_up(database_url: str) -> None:
    impatient = open_database(database_url, patience=0.5)
    store = PostgresOrders(impatient)
    try:
        history = claimed(store)
        with psycopg.connect(database_url) as other:
            other.execute("SELECT FROM orders FOR UPDATE")
            impatient.run(lambda connection: connection.execute("SET lock_timeout = 200"))
            with pytest.raises(Unavailable):
                step(store, history, Trigger.START)
            other.rollback()
        assert step(store, history, Trigger.START).order.status is OrderStatus.ROUTING
    finally:
        impatient.close()


def test_a_container_opens_at_most_two_connections(store: PostgresOrders, database_url: str) -> None:
    history = placed(store)
    at_once(20, lambda _: store.get(history.order.id))
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'order-engine'"
        ).fetchone()
    assert row is not None
    assert row[0] <= 2
