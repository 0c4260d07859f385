"""The deployed stack, once for the whole run, and one that a module's tests can break."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from localstack import harness
from localstack.harness import Stack
from tests.chaos import stack as stacks
from tests.chaos.faults import Faults
from tests.chaos.stack import BreakableStack


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
    with harness.boot(folder, parameters=stack_parameters, environment=stack_environment) as running:
        yield running


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BreakableStack]:
    """A stack that a module's tests have for themselves."""
    folder = tmp_path_factory.mktemp("broken")
    environment = {"SIMULATED_TRANSACTION_LIFETIME": "4"}
    with stacks.boot(folder, parameters={"SimulatedDelayScale": "0.05"}, environment=environment) as booted:
        yield booted


@pytest.fixture
def faults(broken: BreakableStack) -> Iterator[Faults]:
    """What strikes the stack; all is quiet again at the end."""
    striking = Faults(broken, list)
    yield striking
    striking.calm()
