"""A real Postgres: one server for the run, migrated once, empty at the start of every test."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from chalicelib.adapters.postgres.pool import Database
from infra.migrations.migrate import upgrade
from infra.migrations.roles import prepare_login
from localstack.local_stack import postgres
from localstack.local_stack.processes import Reaper
from tests.fakes.postgres import open_database


@pytest.fixture(scope="session")
def migrated_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server whose database has every migration."""
    home = tmp_path_factory.mktemp("database")
    with Reaper() as reaper:
        running = postgres.run(home / "postgres", home / "postgres.log", reaper, durable=False)
        try:
            upgrade(running.url)
            prepare_login(running.url)
            yield running.url
        finally:
            running.stop()


@pytest.fixture
def connect(database_url: str) -> Iterator[Callable[[], Database]]:
    """Opens the connections of one container more."""
    databases: list[Database] = []

    def start() -> Database:
        databases.append(open_database(database_url))
        return databases[-1]

    yield start
    for database in databases:
        database.close()


@pytest.fixture
def database_url(migrated_server: str) -> str:
    """The address of a migrated database without a row in it."""
    with psycopg.connect(migrated_server, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT quote_ident(tablename) FROM pg_tables"
            " WHERE schemaname = 'public' AND tablename NOT IN ('alembic_version', 'watch')"
        ).fetchall()
        if rows:
            connection.execute(f"TRUNCATE {', '.join(str(row[0]) for row in rows)} RESTART IDENTITY CASCADE")
        # One row, which a migration put there.
        connection.execute("UPDATE watch SET awake_until = '2000-01-01T00:00:00Z', beat_at = NULL")
    return migrated_server
