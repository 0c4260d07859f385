"""The roles that the functions log in as, and what holds for all their sessions.

Settings belong to the role because RDS Proxy refuses connections that bring `options`, and stops sharing one that SETs
something. Budgets belong to the role because reserved concurrency can't be had in small accounts: whatever the API's
load, the workers' connections stay theirs.
"""

from collections.abc import Mapping

import psycopg
from psycopg import sql

SETTINGS = {"statement_timeout": "5s", "timezone": "UTC"}
# Who may write the keys that tokens are checked with: this role, and it nothing else.
KEYS_ROLE, KEYS_TABLE = "order_engine_keys", "issuer_keys"
_EVERYTHING = (
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}",
    "REVOKE ALL ON alembic_version FROM {}",
    f"REVOKE INSERT, UPDATE, DELETE ON {KEYS_TABLE} FROM {{}}",
)
_KEYS = (f"GRANT SELECT, INSERT, UPDATE ON {KEYS_TABLE} TO {{}}",)
_CONNECT_SECONDS = 10
# Two stacks on one database must not change a role at the same time: Postgres answers "tuple concurrently updated".
_LOCK_KEY = 0x726F6C6573  # "roles" in ASCII


def budgets_of(text: str) -> dict[str, int]:
    """The roles' names and how many connections each may hold, from "api=60,worker=44". Raises ValueError."""
    budgets: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, _, connections = part.partition("=")
        if not name or not connections.isdecimal():
            raise ValueError(f"DATABASE_ROLES is {text!r}: it takes roles and their connections, such as api=60.")
        budgets[name] = int(connections)
    return budgets


def prepare_login(database_url: str) -> None:
    """For a database that is not the stack's: the role of the URL, which the functions use too, gets the settings."""
    with _locked(database_url) as connection:
        _apply_settings(connection, sql.SQL("CURRENT_USER"))


def ensure_application_roles(database_url: str, budgets: Mapping[str, int]) -> None:
    """Creates the roles where they are missing, limits their connections, lets them read and write all tables' rows.

    But for the keys that access tokens are checked with: a role of its own writes these, and the others read them.

    `database_url` logs in as the tables' owner. The roles may log in with an IAM token only, own nothing, and can't
    change the schema. Raises psycopg.Error.
    """
    with _locked(database_url) as connection:
        for role, connections in budgets.items():
            name = sql.Identifier(role)
            exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
            if exists is None:
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
            connection.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(name, sql.Literal(connections)))
            _apply_settings(connection, name)
            for statement in (
                "GRANT rds_iam TO {}",
                "GRANT USAGE ON SCHEMA public TO {}",
                *(_KEYS if role == KEYS_ROLE else _EVERYTHING),
            ):
                connection.execute(sql.SQL(statement).format(name))


def _locked(database_url: str) -> psycopg.Connection:
    connection = psycopg.connect(database_url, connect_timeout=_CONNECT_SECONDS)
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
    return connection


def _apply_settings(connection: psycopg.Connection, role: sql.Composable) -> None:
    """In this database only: the role may be used for others."""
    row = connection.execute("SELECT current_database()").fetchone()
    database = sql.Identifier(str(row[0]) if row else "")
    for setting, value in SETTINGS.items():
        statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}")
        connection.execute(statement.format(role, database, sql.Identifier(setting), sql.Literal(value)))
