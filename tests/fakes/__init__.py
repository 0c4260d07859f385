"""Hand-written stand-ins for the services' ports: they keep their promises, and can be told to break."""

from tests.fakes.archive import MemoryArchive
from tests.fakes.builders import a_quote, a_route, a_transaction, an_event, an_order, new_order, no_quote
from tests.fakes.chain import Behaviour, FakeChain
from tests.fakes.clock import FakeClock
from tests.fakes.crash import CrashAt, Killed
from tests.fakes.followers import MemoryFollowers, MemoryNotifier
from tests.fakes.history import MemoryHistory
from tests.fakes.ledger import MemoryLedger
from tests.fakes.queues import MemoryQueue, MemoryStatusEvents, MemoryTicks
from tests.fakes.router import FakeRouter
from tests.fakes.store import MemoryOrders
from tests.fakes.telemetry import RecordingTelemetry

__all__ = [
    "Behaviour",
    "CrashAt",
    "FakeChain",
    "FakeClock",
    "FakeRouter",
    "Killed",
    "MemoryArchive",
    "MemoryFollowers",
    "MemoryHistory",
    "MemoryLedger",
    "MemoryNotifier",
    "MemoryOrders",
    "MemoryQueue",
    "MemoryStatusEvents",
    "MemoryTicks",
    "RecordingTelemetry",
    "a_quote",
    "a_route",
    "a_transaction",
    "an_event",
    "an_order",
    "new_order",
    "no_quote",
]
