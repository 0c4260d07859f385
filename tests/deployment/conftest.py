"""A real Postgres without a table: what is deployed migrates it."""

from collections.abc import Iterator

import pytest

from localstack.local_stack import postgres
from localstack.local_stack.processes import Reaper


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the database."""
    home = tmp_path_factory.mktemp("database")
    with Reaper() as reaper:
        running = postgres.run(home / "postgres", home / "postgres.log", reaper, durable=False)
        yield running.url
        running.stop()
