"""Connections to Postgres: few, checked by use, and patient while the server restarts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool, PoolTimeout

from chalicelib.domain.errors import Unavailable

if TYPE_CHECKING:
    from chalicelib.config import DatabaseSettings

Result = TypeVar("Result")
Connection = psycopg.Connection[DictRow]

# A restart of Postgres takes a few seconds; a worker keeps its lease for longer than this.
PATIENCE_SECONDS = 6.0
FIRST_PAUSE_SECONDS = 0.05


def _loads(text: str | bytes) -> object:
    return json.loads(text, parse_float=Decimal)


set_json_loads(_loads)


def conninfo(settings: DatabaseSettings) -> str | Callable[[], str]:
    """The URL, or a function that signs a fresh IAM token for each new connection."""
    if settings.url is not None:
        return settings.url
    from chalicelib.adapters.aws.clients import token_signer

    token = token_signer(settings.region, settings.host, settings.port, settings.user)
    return lambda: make_conninfo(
        host=settings.host,
        port=settings.port,
        dbname=settings.name,
        user=settings.user,
        sslmode=settings.tls,
        password=token(),
    )


class Database:
    """Runs functions on a pooled connection, again where the connection broke under them.

    A server (or a role) that has no connection left is waited for in the same way as one that is away.
    """

    def __init__(self, settings: DatabaseSettings, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._pool = ConnectionPool(
            conninfo=conninfo(settings),
            kwargs=settings.connect_options,
            connection_class=Connection,
            min_size=0,
            max_size=settings.connections,
            timeout=patience,
            reconnect_timeout=patience,
            num_workers=1,
            open=True,
        )

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """The result of `work`, which must be safe to repeat: a broken connection hides whether it was committed.

        Raises:
            Unavailable: Postgres could not be reached within the patience.
        """
        give_up = time.monotonic() + self._patience
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._once(work)
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
                if time.monotonic() + pause >= give_up:
                    raise Unavailable(f"The database cannot be reached: {error}") from error
                time.sleep(pause)
                pause = min(pause * 2, 1.0)

    def _once(self, work: Callable[[Connection], Result]) -> Result:
        # Not `with pool.connection()`: its commit, for which autocommit leaves nothing to do, takes a statement's time.
        connection = self._pool.getconn()
        try:
            return work(connection)
        finally:
            self._pool.putconn(connection)

    def check(self) -> None:
        """Asks the server for one row. Raises `Unavailable`."""
        self.run(lambda connection: connection.execute("SELECT 1").fetchone())

    def close(self) -> None:
        """Closes every connection."""
        self._pool.close(timeout=5)
