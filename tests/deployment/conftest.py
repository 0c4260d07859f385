"""A real Postgres without a table: what is deployed migrates it."""

from collections.abc import Iterator

import pytest

from tests.fakes.postgres import a_server


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """The address of the database."""
    with a_server(migrated=False) as url:
        yield url
