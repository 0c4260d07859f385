"""Brings a database to the newest revision: `DATABASE_URL=postgresql://… python -m infra.migrations.migrate`.

Safe to run from several places at once: an advisory lock in the database lets one work and the others wait.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

# Any fixed number does; this one is "orders" in ASCII.
_LOCK_KEY = 0x6F7264657273
_CONNECT_SECONDS = 10
_WAIT_FOR_OTHERS_SECONDS = 60
_ASK_AGAIN_SECONDS = 0.2
# A change that can't have its table at once fails instead of queueing every order behind itself.
_WAIT_FOR_TABLE_SECONDS = 10


class MigrationError(RuntimeError):
    """The database could not be brought up to date; the message says why and what to do."""


class DatabaseIsNewerError(MigrationError):
    """The database is at a revision that this code doesn't have."""


def upgrade(database_url: str) -> None:
    """Applies every revision that the database lacks.

    `database_url` is anything libpq understands (postgresql://…). Raises MigrationError: database
    unreachable, another run holding the lock for over a minute, a failing revision, or
    (DatabaseIsNewerError) a database migrated by newer code.
    """
    config = Config()
    # A folder may be called 100%, which would begin a reference here.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with _locked(database_url) as connection:
        _refuse_newer(connection, ScriptDirectory.from_config(config))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except DBAPIError as error:
            raise MigrationError(
                f"A migration failed: {_reason(error)}. What it had begun is undone, or done again by the next run."
            ) from error


def current(database_url: str) -> str:
    """The revision that the database is at, or "none". Raises MigrationError where it can't be reached."""
    with _connected(database_url) as connection:
        return ", ".join(MigrationContext.configure(connection).get_current_heads()) or "none"


def _refuse_newer(connection: Connection, scripts: ScriptDirectory) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    connection.rollback()
    if unknown:
        raise DatabaseIsNewerError(
            f"The database is at revision {', '.join(sorted(unknown))}, which this version of the code "
            "doesn't know: update the code, or use a database of its own."
        )


@contextmanager
def _connected(database_url: str) -> Iterator[Connection]:
    def connect() -> psycopg.Connection:
        return psycopg.connect(
            database_url, connect_timeout=_CONNECT_SECONDS, application_name="order-engine-migrations"
        )

    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    try:
        connection = engine.connect()
    except (DBAPIError, psycopg.Error) as error:
        raise MigrationError(
            f"Can't log in to Postgres at {_place(database_url)}: {_reason(error)}. "
            "Check the database's address and credentials, and that it runs."
        ) from error
    with connection:
        # The role's limit is for what serves orders: a migration may take its time.
        connection.execute(text("SELECT set_config('statement_timeout', '0', false)"))
        connection.commit()
        yield connection


@contextmanager
def _locked(database_url: str) -> Iterator[Connection]:
    with _connected(database_url) as connection:
        # The lock belongs to the session, not to a transaction: each revision commits its own. It is tried again and
        # again: whoever waits within a statement has a snapshot, which CREATE INDEX CONCURRENTLY would wait for.
        give_up = time.monotonic() + _WAIT_FOR_OTHERS_SECONDS
        while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK_KEY}).scalar():
            connection.commit()
            if time.monotonic() > give_up:
                raise MigrationError(
                    f"Another migration of this database has been running for over {_WAIT_FOR_OTHERS_SECONDS} s: "
                    "wait for it to end and try again."
                )
            time.sleep(_ASK_AGAIN_SECONDS)
        limit = {"value": f"{_WAIT_FOR_TABLE_SECONDS}s"}
        connection.execute(text("SELECT set_config('lock_timeout', :value, false)"), limit)
        connection.commit()
        # Closing the connection releases the lock, whatever happens.
        yield connection


def _place(database_url: str) -> str:
    """Where the database is, without the password."""
    try:
        parts = conninfo_to_dict(database_url)
    except psycopg.ProgrammingError:
        return "an address that is no libpq URI (postgresql://user:password@host:port/database)"
    return f"{parts.get('host') or 'the local socket'}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"


def _reason(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return " ".join(str(cause).split()) or type(cause).__name__


def main() -> int:
    """The command line; the exit status."""
    # Not in the function's zip, where this module has no package.
    from infra.migrations.roles import prepare_login

    database_url = os.environ.get("DATABASE_URL", "")
    if not database_url:
        print(
            "Set DATABASE_URL to the database to migrate, e.g. postgresql://user:password@host:5432/orders.",
            file=sys.stderr,
        )
        return 2
    try:
        upgrade(database_url)
        prepare_login(database_url)
        print(f"The database is at revision {current(database_url)}.")
    except MigrationError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
