"""An engine, a desk and the stream of an order, in memory for each test."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.services import firing, watch
from tests.fakes import MemoryFollowers, MemoryNotifier
from tests.fakes.engine import Engine
from tests.fakes.resting_desk import MemoryDesk
from tests.fakes.streams import OrderStream


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


@pytest.fixture
def stream(engine: Engine) -> Iterator[OrderStream]:
    order_id = engine.place().id
    engine.run(order_id)
    with ThreadPoolExecutor(8) as threads:
        yield OrderStream(engine, order_id, MemoryFollowers(), MemoryNotifier(engine.clock), threads)
