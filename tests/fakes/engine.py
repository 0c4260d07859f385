"""A whole engine in memory: orders are placed, messages delivered, workers die, and the outcome is audited."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Protocol, TypeVar, cast

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import History, NewOrder, Order, SignedTransaction
from chalicelib.domain.transitions import TRANSITIONS, OrderStatus
from chalicelib.ports.chain import ChainClient
from chalicelib.ports.orders import OrderStore
from chalicelib.ports.queues import StatusEvents
from chalicelib.ports.runtime import CrashPoint
from chalicelib.ports.venues import Router, SwapBuilder
from chalicelib.services.cancel_order import cancel_order
from chalicelib.services.execute_order import execute_order
from chalicelib.services.place_order import PlacingPorts, place_order
from chalicelib.services.reconcile import reconcile
from chalicelib.services.worker import Ack, ExecutionTimings, RetryAfter, Worker
from tests.fakes.builders import an_order, new_order
from tests.fakes.chain import FakeChain
from tests.fakes.clock import FakeClock
from tests.fakes.crash import CrashAt, Killed
from tests.fakes.market import ScriptedMarket
from tests.fakes.queues import MemoryQueue, MemoryStatusEvents, MemoryTicks
from tests.fakes.router import FakeRouter
from tests.fakes.store import MemoryOrders
from tests.fakes.telemetry import RecordingTelemetry

INVOCATION_SECONDS = 12
VISIBILITY_SECONDS = 24
# Asks the chain less often than in production: every question is a moment at which tests let something happen.
TIMINGS = ExecutionTimings(poll_seconds=0.5)
Port = TypeVar("Port")
Verdict = Ack | RetryAfter


class Fuse(Protocol):
    """Is told before and after each call of a port; may raise, or let the world turn meanwhile."""

    def __call__(self, moment: str) -> None: ...


class At:
    """A fuse that does something at its n-th tick; every call ticks twice, before and after."""

    def __init__(self, tick: int, action: Callable[[str], None]) -> None:
        self.tick = tick
        self.action = action
        self.ticks = 0
        self.moment: str | None = None

    def __call__(self, moment: str) -> None:
        self.ticks += 1
        if self.ticks == self.tick:
            self.moment = moment
            self.action(moment)


def die(moment: str) -> None:
    """The process is killed."""
    raise Killed(moment)


def fall_silent(moment: str) -> None:
    """The database or the queue does not answer; what was asked may have been done."""
    raise Unavailable(moment)


class _Wired:
    """A port whose calls tick a fuse."""

    def __init__(self, port: object, name: str, fuse: Fuse) -> None:
        self._port = port
        self._name = name
        self._fuse = fuse

    def __getattr__(self, method: str) -> object:
        if not callable(getattr(self._port, method)):
            return cast("object", getattr(self._port, method))

        def call(*arguments: object, **named: object) -> object:
            self._fuse(f"before {self._name}.{method}")
            result = getattr(self._port, method)(*arguments, **named)
            self._fuse(f"after {self._name}.{method}")
            return cast("object", result)

        return call


class Engine:
    """Every port in memory, one clock for all."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryOrders(self.clock)
        self.queue = MemoryQueue()
        self.events = MemoryStatusEvents()
        self.router = FakeRouter(self.clock)
        self.chain = FakeChain(self.clock)
        self.telemetry = RecordingTelemetry()
        self.ticks = MemoryTicks()
        self.market = ScriptedMarket()

    def place(self, order: NewOrder | None = None) -> Order:
        """Places an order, as a request without an idempotency key does."""
        return place_order(order or new_order(), idempotency_key=None, ports=self.placing()).order

    def placing(self, crash: CrashPoint | None = None) -> PlacingPorts:
        """What placing an order needs."""
        return PlacingPorts(
            self.store, self.queue, self.market, self.ticks, self.events, self.telemetry, crash or CrashAt()
        )

    def worker(
        self,
        crash: CrashPoint | None = None,
        *,
        fuse: Fuse | None = None,
        wired: str = "store swaps chain events router",
    ) -> Worker:
        """A worker; the named ports tick the fuse."""

        def wire(port: Port, name: str) -> Port:
            return cast("Port", _Wired(port, name, fuse)) if fuse is not None and name in wired.split() else port

        return Worker(
            store=wire(cast("OrderStore", self.store), "store"),
            events=wire(cast("StatusEvents", self.events), "events"),
            router=wire(cast("Router", self.router), "router"),
            swaps=wire(cast("SwapBuilder", self.chain), "swaps"),
            chain=wire(cast("ChainClient", self.chain), "chain"),
            clock=self.clock,
            telemetry=self.telemetry,
            crash_point=crash or CrashAt(),
            ticks=self.ticks,
        )

    def run(self, order_id: str, worker: Worker | None = None, *, seconds: float = INVOCATION_SECONDS) -> Verdict:
        """One delivery of the order's message."""
        until = self.clock.in_seconds(seconds)
        return execute_order(order_id, worker=worker or self.worker(), timings=TIMINGS, until=until)

    def drive(self, order_id: str, first: Worker | None = None, *, deliveries: int = 30) -> int:
        """Delivers the message until it is done, as SQS would; gives how many deliveries it took.

        A worker that dies or loses its database gives the message back by the visibility timeout.
        """
        worker = first
        for delivery in range(1, deliveries + 1):
            try:
                verdict = self.run(order_id, worker)
            except (Killed, Unavailable):
                self.clock.advance(VISIBILITY_SECONDS)
            else:
                if isinstance(verdict, Ack):
                    return delivery
                self.clock.advance(math.ceil(verdict.seconds))
            worker = None
        raise AssertionError(f"The order is not done after {deliveries} deliveries.")

    def cancel(self, order_id: str) -> History:
        """Cancels the order for its client."""
        return cancel_order(order_id, store=self.store, events=self.events, telemetry=self.telemetry)

    def reconcile(self, *, seconds: float = 46) -> int:
        """One run of reconcile; gives how much it repaired."""
        return reconcile(
            store=self.store,
            queue=self.queue,
            events=self.events,
            telemetry=self.telemetry,
            clock=self.clock,
            until=self.clock.in_seconds(seconds),
        )

    def sign(self, status: OrderStatus, *, sent: bool = False) -> tuple[Order, SignedTransaction]:
        """An order as a worker left it that died behind its signature, and the transaction."""
        order = an_order(status, sequence=[*OrderStatus].index(status) + 1)
        assert order.route is not None
        transaction = self.chain.build_swap(order, order.route, self.chain.height())
        if sent:
            self.chain.send(transaction)
        self.store.put(replace(order, transaction=transaction))
        return order, transaction

    def order(self, order_id: str) -> Order:
        """The order as it is stored."""
        return self.store.rows[order_id].order

    def history(self, order_id: str) -> History:
        """The order and its events."""
        return self.store.rows[order_id].history

    def statuses(self, order_id: str) -> list[str]:
        """The statuses that a follower sees."""
        return [event.status.value for event in self.history(order_id).events]

    def audit(self, order_id: str) -> None:
        """What must hold for every order that is over."""
        history = self.history(order_id)
        order, events = history.order, history.events
        assert order.status.is_terminal, order.status
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert events[-1].status is order.status
        assert order.sequence == len(events)
        for one, following in pairwise(events):
            moves = {to for (status, _), to in TRANSITIONS.items() if status is one.status}
            assert following.status in moves, (one.status, following.status)
            assert one.occurred_at <= following.occurred_at
            assert one.attempt <= following.attempt <= one.attempt + 1
        settled = self.chain.settlements(order_id)
        assert settled == (order.status is OrderStatus.CONFIRMED), f"{order.status}, settled {settled} times"
        if order.status is OrderStatus.CONFIRMED:
            assert order.transaction is not None
            assert order.fill == self.chain.taken[order.transaction.signature].fill
        # A late worker may publish an older history after a newer one, but the end is published, or reconcile does it.
        published = {sent.history.order.sequence for sent in self.events.sent if sent.history.order.id == order_id}
        row = self.store.rows[order_id]
        assert order.sequence in published or row.attention_at is not None or row.followed_until is None
