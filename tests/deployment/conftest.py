"""A real Postgres without a table: what is deployed migrates it."""

from collections.abc import Iterator

import pytest

from localstack import postgres
from localstack.processes import Guard


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the database."""
    home = tmp_path_factory.mktemp("database")
    with Guard() as guard:
        running = postgres.run(home / "postgres", home / "postgres.log", guard, durable=False)
        yield running.url
        running.stop()
