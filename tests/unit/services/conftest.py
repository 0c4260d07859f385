"""An engine and a desk in memory for each test."""

from collections.abc import Callable

import pytest

from chalicelib.services import firing, watch
from tests.fakes.engine import Engine
from tests.fakes.resting_desk import MemoryDesk


@pytest.fixture
def engine() -> Engine:
    """Every port in memory, one clock for all."""
    return Engine()


@pytest.fixture
def desk() -> MemoryDesk:
    """Everything that serves resting orders, in memory; nobody follows them yet."""
    return MemoryDesk()


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes so few the most that may have fired and have no worker yet."""

    def narrow(most: int) -> None:
        monkeypatch.setattr(watch, "MOST_FIRED", most)
        monkeypatch.setattr(firing, "MOST_FIRED", most)

    return narrow
