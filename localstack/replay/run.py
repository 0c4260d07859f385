"""A replay: the engine's own placing, watcher, router and worker over the simulated market, second by second."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from importlib import import_module

from chalicelib.chain.simulated import SimulatedChain
from chalicelib.config import SimulationSettings
from chalicelib.domain.errors import InvalidOrder, TooManyRestingOrders
from chalicelib.domain.launches import Launch
from chalicelib.domain.order import NewOrder, Order, OrderEvent, first_id_at
from chalicelib.domain.quotes import VENUES, NoQuote, Quote, QuoteRequest, Venue
from chalicelib.domain.tokens import Token
from chalicelib.services.execute_order import execute_order
from chalicelib.services.firing import WatcherPorts
from chalicelib.services.place_order import PlacingPorts, place_order
from chalicelib.services.watch import Beat, beat
from chalicelib.services.worker import Ack, ExecutionTimings, Worker
from chalicelib.simulation.chance import Simulation
from chalicelib.venues.simulated.market import SimulatedMarket
from localstack.replay.clock import VirtualClock, VirtualRouter
from localstack.replay.memory import MemoryLedger, NoFollowers, NoTicks, Orders, Queue, SilentTelemetry
from localstack.replay.reading import ReplayOrder

# From a message to the worker that has it, as on AWS: nobody waits for a free one in a replay.
PICKED_UP_IN = timedelta(milliseconds=50)
INVOCATION = timedelta(seconds=12)
_TIMINGS = ExecutionTimings()
_FAR = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class ReplayEvent:
    """An event of an order, by its name in the file."""

    name: str
    event: OrderEvent


@dataclass(frozen=True)
class RefusedOrder:
    """An order that the service would have answered with a 4xx."""

    name: str
    at: datetime
    reason: str


class _Market:
    """`Market` that is asked once for what many orders ask of a second: sizes repeat."""

    def __init__(self, market: SimulatedMarket) -> None:
        self._market = market
        self._second = -1
        self._previews: dict[QuoteRequest, list[Quote | NoQuote]] = {}
        self._touches: dict[tuple[Token, Token, int], dict[Venue, Fraction]] = {}

    def touches(self, input_token: Token, output_token: Token, at: datetime) -> dict[Venue, Fraction]:
        key = input_token, output_token, int(at.timestamp())
        if key not in self._touches:
            if len(self._touches) > 1_000:
                self._touches.clear()
            self._touches[key] = self._market.touches(input_token, output_token, at)
        return self._touches[key]

    def preview(self, request: QuoteRequest, at: datetime) -> list[Quote | NoQuote]:
        if self._second != int(at.timestamp()):
            self._second = int(at.timestamp())
            self._previews.clear()
        anybodys = replace(request, reference="")
        if anybodys not in self._previews:
            self._previews[anybodys] = self._market.preview(anybodys, at)
        return self._previews[anybodys]

    def bound(self, request: QuoteRequest, limit: Fraction, at: datetime) -> Fraction:
        return self._market.bound(request, limit, at)

    def launches(self, since: datetime, until: datetime) -> list[Launch]:
        return self._market.launches(since, until)

    def upcoming(self, at: datetime, count: int) -> list[Launch]:
        return self._market.upcoming(at, count)

    def launched(self, token: Token, at: datetime) -> Launch | None:
        return self._market.launched(token, at)


class Replay:
    """The engine in virtual time, beginning at `start`."""

    def __init__(self, settings: SimulationSettings, start: datetime) -> None:
        self.clock = VirtualClock(start)
        simulation = Simulation(settings, now=self.clock.now, sleep=self.clock.sleep)
        venues = [import_module(f"chalicelib.venues.{name}").connect(simulation) for name in VENUES]
        self.orders = Orders(self.clock)
        self.market = _Market(SimulatedMarket(simulation, venues))
        self._queue, telemetry, ticks, events = Queue(), SilentTelemetry(), NoTicks(), NoFollowers()
        router = VirtualRouter(venues, self.clock, _never_crash, telemetry)
        self._placing = PlacingPorts(
            self.orders, self._queue, self.market, ticks, events, telemetry, _never_crash, new_id=self._new_id
        )
        self._worker = Worker(
            store=self.orders,
            events=events,
            router=router,
            swaps=router,
            chain=SimulatedChain(simulation, MemoryLedger(self.clock)),
            clock=self.clock,
            telemetry=telemetry,
            crash_point=_never_crash,
            ticks=ticks,
        )
        self._watcher = WatcherPorts(
            resting=self.orders,
            store=self.orders,
            queue=self._queue,
            events=events,
            market=self.market,
            ticks=ticks,
            clock=self.clock,
            telemetry=telemetry,
            crash_point=_never_crash,
        )
        self.on_beat: Callable[[datetime, Beat], object] = lambda _at, _done: None
        self._placed = 0
        self._messages: list[tuple[datetime, str]] = []

    def place(self, order: NewOrder, at: datetime) -> Order:
        """Raises `InvalidOrder` and `TooManyRestingOrders`, as the service refuses it at this moment."""
        self.clock.set(at)
        placed = place_order(order, idempotency_key=None, ports=self._placing).order
        self._hand_over()
        return placed

    def beat(self, at: datetime) -> None:
        """The watcher looks at everything that rests."""
        self.clock.set(at)
        self.on_beat(at, beat(self._watcher))
        self._hand_over()

    def work(self, until: datetime) -> None:
        """Workers take what was sent to them before this moment."""
        while self._messages and self._messages[0][0] < until:
            at, order_id = heapq.heappop(self._messages)
            self.clock.set(at)
            verdict = execute_order(order_id, worker=self._worker, timings=_TIMINGS, until=at + INVOCATION)
            if not isinstance(verdict, Ack):
                again = max(self.clock.now(), at) + timedelta(seconds=verdict.seconds)
                heapq.heappush(self._messages, (again, order_id))

    def _hand_over(self) -> None:
        for order_id in self._queue.take():
            heapq.heappush(self._messages, (self.clock.now() + PICKED_UP_IN, order_id))

    def _new_id(self) -> str:
        """Sorts as ids do, and is the same each time."""
        self._placed += 1
        return f"{first_id_at(self.clock.now())}{self._placed:020x}"


def replay(wanted: Sequence[ReplayOrder], engine: Replay, until: datetime) -> Iterator[ReplayEvent | RefusedOrder]:
    """What happens to the orders, which are sorted by time, while the watcher looks each second up to `until`.

    In the order in which it happens; what is under way at the end goes on to where nobody has to look.
    """
    names: dict[str, str] = {}
    happened: list[tuple[datetime, int, ReplayEvent | RefusedOrder]] = []
    waiting, count, second = list(reversed(wanted)), 0, engine.clock.now()
    while second < until:
        after = second + timedelta(seconds=1)
        engine.beat(second)
        while waiting and waiting[-1].at < after:
            next_one = waiting.pop()
            try:
                names[engine.place(next_one.order, next_one.at).id] = next_one.name
            except (InvalidOrder, TooManyRestingOrders) as error:
                count += 1
                heapq.heappush(happened, (next_one.at, count, RefusedOrder(next_one.name, next_one.at, str(error))))
        is_last = after >= until
        engine.work(_FAR if is_last else after)
        for event in engine.orders.take_new_events():
            count += 1
            heapq.heappush(happened, (event.occurred_at, count, ReplayEvent(names[event.order_id], event)))
        while happened and (is_last or happened[0][0] < after):
            yield heapq.heappop(happened)[2]
        second = after


def _never_crash(name: str) -> None:
    del name
