"""One LocalStack and one database for all tests here; its folder is .state/localstack, made anew by each run."""

import shutil
from collections.abc import Iterator

import pytest

from localstack.paths import STATE
from tests.fakes.postgres import a_server
from tests.localstack import server


@pytest.fixture(scope="session")
def localstack() -> Iterator[server.Server]:
    python = server.installed()
    folder = STATE / "localstack"
    shutil.rmtree(folder, ignore_errors=True)
    with server.run(python, folder) as running:
        yield running


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """The address of a Postgres without a table: what is deployed migrates it."""
    with a_server(migrated=False) as url:
        yield url
