"""The desk of each test."""

from collections.abc import Iterator

import pytest

from tests.fakes.postgres import open_database
from tests.fakes.resting_desk import Desk


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    database = open_database(database_url)
    yield Desk(database_url, database)
    database.close()
