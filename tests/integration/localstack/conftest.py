"""One emulator for all tests of it."""

from collections.abc import Iterator

import pytest

from localstack.deployment.aws_clients import Clients
from localstack.local_stack import emulator
from localstack.local_stack.emulator import Emulator
from localstack.local_stack.processes import Reaper


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with Reaper() as reaper:
        running = emulator.run(tmp_path_factory.mktemp("emulator") / "log", reaper)
        yield running
        running.stop()


@pytest.fixture(scope="session")
def clients(running: Emulator) -> Iterator[Clients]:
    clients = Clients(running.target())
    clients.s3.create_bucket(Bucket="deployment")
    yield clients
    clients.close()
