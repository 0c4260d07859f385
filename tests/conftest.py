"""What all tests share: their order, and the deployed stack, once for each process of a run."""

from __future__ import annotations

import gc
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from localstack.local_stack.stack_for_tests import Stack

# Nothing that collecting makes is garbage: looking for some is two fifths of its time, in each process of a run.
gc.disable()
# In this order, one group of each (with --no-loadscope-reorder): begun last, they would be what everybody waits for.
LONGEST = (
    "test_localstack.py", "test_artifact.py", "test_checkov.py", "test_commands.py", "test_faults.py",
    "test_strangers.py", "test_deploy.py", "test_clients.py", "test_full_template.py", "test_crash_points.py",
    "test_chaos.py", "test_deliveries.py",
)  # fmt: skip
# Under nohup: what the tests start would take an ignored SIGHUP for its caller's wish, and not end by one.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# No deadline: a busy machine is not a bug. `--hypothesis-profile thorough` looks longer.
settings.register_profile("engine", deadline=None, max_examples=60)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("engine")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps what shares the deployed stack in one process where the tests run in several: the API's, and all others."""
    for item in items:
        has_its_own = item.get_closest_marker("xdist_group") is not None
        if "stack" in getattr(item, "fixturenames", ()) and not has_its_own:
            item.add_marker(pytest.mark.xdist_group("api" if item.path.name.startswith("test_api_") else "stack"))
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_collection_finish() -> None:
    """Has the collector look from here on, at what the tests make."""
    gc.freeze()
    gc.enable()


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
    # Not for the unit tests, which need none of it.
    from localstack.local_stack import stack_for_tests

    folder = tmp_path_factory.mktemp("stack")
    with stack_for_tests.boot(folder, parameters=stack_parameters, environment=stack_environment) as running:
        yield running
