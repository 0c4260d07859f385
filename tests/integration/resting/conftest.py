"""The desk of each test."""

from collections.abc import Iterator

import pytest

from tests.fakes.postgres import open_database
from tests.integration.resting.desk import DatabaseDesk


@pytest.fixture
def desk(database_url: str) -> Iterator[DatabaseDesk]:
    database = open_database(database_url)
    yield DatabaseDesk(url=database_url, database=database)
    database.close()
