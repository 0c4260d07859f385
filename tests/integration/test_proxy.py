"""The functions' connections as RDS Proxy takes and shares them: no startup options, nothing that pins a session."""

import psycopg
import pytest

from chalicelib.adapters.postgres.dead_letters import PostgresDeadLetters
from chalicelib.adapters.postgres.history import PostgresHistory
from chalicelib.adapters.postgres.ledger import PostgresLedger
from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.domain.transitions import Trigger
from chalicelib.ports.history import OrderFilter
from tests.fakes.postgres import LEASE, claimed, open_database, step
from tests.fakes.postgres_door import door_before

# From the sixth time on, psycopg prepares a statement.
OFTEN = 8


def test_the_door_refuses_what_rds_proxy_refuses_and_sees_what_pins(database_url: str) -> None:
    with door_before(database_url) as door:
        with pytest.raises(psycopg.OperationalError, match="doesn't support command-line options"):
            psycopg.connect(door.url, options="-c timezone=UTC")
        with psycopg.connect(door.url, autocommit=True) as connection:
            connection.execute("SET timezone = 'UTC'")
            connection.execute("SELECT set_config('timezone', %s, false)", ["UTC"])
            connection.execute("SELECT 1")
        assert len(door.pinning) == 2


def test_all_that_functions_ask_goes_through_a_proxy_and_pins_nothing(database_url: str) -> None:
    with door_before(database_url) as door:
        database = open_database(door.url)
        try:
            store, history = PostgresOrders(database), PostgresHistory(database)
            ledger, archive = PostgresLedger(database), PostgresDeadLetters(database)
            for number in range(OFTEN):
                started = step(store, claimed(store), Trigger.START)
                order_id = started.order.id
                assert step(store, started, Trigger.CHOOSE_ROUTE).order.id == order_id
                assert store.claim(order_id, LEASE) is not None
                history.page(OrderFilter(), limit=5, before_id=None)
                ledger.find(str(number), 2**40)
                archive.keep(str(number), order_id, "{}", 1, "test")
                store.idle(10, 60)
                store.unpublished(10)
                store.count_open()
                store.delete_expired_idempotency_keys()
                database.check()
        finally:
            database.close()
    assert len(door.statements) > 5 * OFTEN
    assert door.pinning == []
    assert {frozenset(startup) for startup in door.startups} == {frozenset({"user", "database", "application_name"})}


def test_what_the_startup_does_not_say_the_role_does(database_url: str) -> None:
    with door_before(database_url) as door:
        database = open_database(door.url)
        try:
            settings = database.run(
                lambda connection: connection.execute(
                    "SELECT current_setting('statement_timeout') AS timeout, current_setting('TimeZone') AS zone"
                ).fetchone()
            )
        finally:
            database.close()
    assert settings == {"timeout": "5s", "zone": "UTC"}
