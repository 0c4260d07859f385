"""Connections to Postgres are shared by role: a burst waits or is told to come again, and orders go on meanwhile."""

import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.config import DatabaseSettings
from chalicelib.domain.errors import Unavailable
from chalicelib.http.problems import problem_from
from infra.migrations.roles import ensure_application_roles
from tests.fakes.postgres import claimed, open_database

API, WORKER, PASSWORD = "order_engine_api", "order_engine", "secret"
BUDGETS = {API: 2, WORKER: 2}


def as_role(database_url: str, role: str) -> str:
    """The address with another log-in."""
    url = urlsplit(database_url)
    return url._replace(netloc=f"{role}:{PASSWORD}@{url.hostname}:{url.port}").geturl()


@pytest.fixture
def roles(database_url: str) -> str:
    """A database with the functions' roles, each with two connections; they log in by password, for lack of IAM."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'rds_iam'").fetchone():
            connection.execute("CREATE ROLE rds_iam")
    ensure_application_roles(database_url, BUDGETS)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for role in BUDGETS:
            connection.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
    return database_url


@pytest.fixture
def calls(roles: str) -> Iterator[list[psycopg.Connection]]:
    """Calls of clients that hold all connections of their role."""
    held = [psycopg.connect(as_role(roles, API)) for _ in range(BUDGETS[API])]
    yield held
    for connection in held:
        connection.close()


def one_more(url: str, patience: float) -> Database:
    """Another environment of a function that answers clients."""
    return Database(DatabaseSettings.from_environment({"DATABASE_URL": url}), patience)


@pytest.mark.usefixtures("calls")
def test_a_burst_of_calls_is_told_to_come_again(roles: str) -> None:
    database = one_more(as_role(roles, API), patience=0.5)
    try:
        with pytest.raises(Unavailable) as refused:
            PostgresOrders(database).get("ord_1")
    finally:
        database.close()
    problem = problem_from(refused.value)
    assert problem.status == 503
    assert int(problem.headers["Retry-After"]) > 0


@pytest.mark.usefixtures("calls")
def test_the_workers_keep_their_connections_meanwhile(roles: str) -> None:
    workers = open_database(as_role(roles, WORKER), patience=0.5)
    try:
        assert claimed(PostgresOrders(workers)).order.id
    finally:
        workers.close()


def test_a_call_gets_the_connection_that_another_gives_back(roles: str, calls: list[psycopg.Connection]) -> None:
    database = one_more(as_role(roles, API), patience=10)
    leaving = threading.Timer(0.2, calls[0].close)
    leaving.start()
    try:
        database.check()
    finally:
        leaving.join()
        database.close()


def test_an_environment_that_was_frozen_for_long_opens_a_new_connection(roles: str) -> None:
    """On AWS the server ends idle connections: a frozen environment can't."""
    url = as_role(roles, WORKER)
    with psycopg.connect(roles, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {WORKER} SET idle_session_timeout = '500ms'")
    database = open_database(url)
    try:
        database.check()
        with psycopg.connect(roles, autocommit=True) as connection:
            ours = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
            deadline = threading.Event()
            for _ in range(200):
                if connection.execute(ours, [WORKER]).fetchone() == (0,):
                    break
                deadline.wait(0.05)
            else:
                pytest.fail("The idle connection was never ended.")
            # The new one may stay: on a busy machine it would be ended before its first statement.
            connection.execute(f"ALTER ROLE {WORKER} RESET idle_session_timeout")
        database.check()
    finally:
        database.close()
        with psycopg.connect(roles, autocommit=True) as connection:
            connection.execute(f"ALTER ROLE {WORKER} RESET idle_session_timeout")
