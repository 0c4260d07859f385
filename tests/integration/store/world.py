"""A life on the real store that is cut into steps, between which clients connect and statuses are pushed."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.domain.order import History
from chalicelib.ports.orders import Claimed
from chalicelib.services.publish import publish
from chalicelib.services.subscriptions import SubscriptionPorts
from tests.fakes import FakeClock, MemoryFollowers, MemoryNotifier, MemoryStatusEvents, RecordingTelemetry
from tests.fakes.postgres import LEASE, PATH, advanced, placed
from tests.fakes.streams import a_pusher, subscription_ports


def claimed_by_nobody_s_follower(store: PostgresOrders) -> History:
    """A worker has it, and nobody follows it."""
    claim = store.claim(placed(store, followed=False).order.id, LEASE)
    assert isinstance(claim, Claimed)
    return claim.history


class World(ABC):
    """A worker's turn cut into its steps, the queue and the pusher."""

    def __init__(self, store: PostgresOrders, threads: ThreadPoolExecutor) -> None:
        self.store = store
        self.clock = FakeClock()
        self.telemetry = RecordingTelemetry()
        self.followers = MemoryFollowers()
        self.notifier = MemoryNotifier(self.clock)
        self.events = MemoryStatusEvents()
        self.pusher = a_pusher(self, self.followers, self.notifier, threads)
        self.steps = self.life()
        self.pushed = 0

    @abstractmethod
    def life(self) -> Iterator[None]:
        """Each `next` makes a step."""

    def turn(self, history: History) -> Iterator[None]:
        """Each `next` commits a move, or tells of the last one."""
        for trigger in PATH:
            history = advanced(self.store, history, trigger)
            yield
            self.tell(history)
            yield

    def tell(self, history: History) -> None:
        """Puts a status into the queue."""
        publish(history, store=self.store, events=self.events, telemetry=self.telemetry)

    def work(self, steps: int) -> None:
        """Makes so many steps."""
        for _ in itertools.islice(self.steps, steps):
            pass

    def ports(self, store: Any, stored: Callable[[str], None]) -> SubscriptionPorts:
        """For a client that connects: `stored` is called when its follower is."""
        return subscription_ports(self, self.followers, store=store, crash_point=stored)
