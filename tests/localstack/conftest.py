"""One LocalStack and one database for all tests here; its folder is .state/localstack, made anew by each run."""

import shutil
from collections.abc import Iterator

import pytest

from localstack.local_stack import postgres
from localstack.local_stack.processes import Reaper
from localstack.paths import STATE
from tests.localstack import server


@pytest.fixture(scope="session")
def localstack() -> Iterator[server.Server]:
    python = server.installed()
    folder = STATE / "localstack"
    shutil.rmtree(folder, ignore_errors=True)
    with server.run(python, folder) as running:
        yield running


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Postgres without a table: what is deployed migrates it."""
    home = tmp_path_factory.mktemp("database")
    with Reaper() as reaper:
        running = postgres.run(home / "postgres", home / "postgres.log", reaper, durable=False)
        yield running.url
        running.stop()
