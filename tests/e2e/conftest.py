"""The deployed stack, once for the whole run."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from localstack.local_stack import stack_for_tests
from localstack.local_stack.stack_for_tests import Stack


@pytest.fixture(scope="session")
def stack_parameters() -> Mapping[str, str]:
    """Template parameters of the deployed stack; a folder's own conftest may override them."""
    return {"SimulatedDelayScale": "0.05", "LogLevel": "INFO"}


@pytest.fixture(scope="session")
def crash_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file put here, named after a crash point, kills the first function that gets there."""
    return tmp_path_factory.mktemp("crash")


@pytest.fixture(scope="session")
def stack_environment(crash_directory: Path) -> Mapping[str, str]:
    """What every function finds in its environment besides the template's variables."""
    return {"CRASH_DIRECTORY": str(crash_directory)}


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory,
    stack_parameters: Mapping[str, str],
    stack_environment: Mapping[str, str],
) -> Iterator[Stack]:
    """Postgres, the emulator with the deployed stack, and the front door, all on free ports."""
    folder = tmp_path_factory.mktemp("stack")
    with stack_for_tests.boot(folder, parameters=stack_parameters, environment=stack_environment) as running:
        yield running
