"""The order store on an empty database."""

from collections.abc import Iterator

import pytest

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from tests.fakes.postgres import Forgetful, open_database, settings_for


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """One container's connections."""
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def store(database: Database) -> PostgresOrders:
    """The order store of one container."""
    return PostgresOrders(database)


@pytest.fixture
def forgetful(database_url: str) -> Iterator[PostgresOrders]:
    """A store whose every answer is lost once."""
    opened = Forgetful(settings_for(database_url))
    yield PostgresOrders(opened)
    opened.close()
