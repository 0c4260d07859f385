"""Everything that serves resting orders, with a scripted market and a clock that tests move."""

import math
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.launches import Launch, LaunchKind
from chalicelib.domain.order import LaunchConditions, NewOrder, Order, OrderType, TimeInForce
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Side
from chalicelib.domain.tokens import SOL, USDC, launch_token
from chalicelib.ports.orders import OrderStore
from chalicelib.ports.resting import RestingOrders
from chalicelib.ports.runtime import CrashPoint
from chalicelib.services.amend_order import Amendment, amend_order
from chalicelib.services.cancel_order import cancel_order
from chalicelib.services.execute_order import execute_order
from chalicelib.services.firing import WatcherPorts
from chalicelib.services.place_order import PlacingPorts, place_order
from chalicelib.services.reconcile import reconcile
from chalicelib.services.watch import beat
from chalicelib.services.worker import Ack, RetryAfter, Worker
from tests.fakes import CrashAt, FakeChain, FakeClock, MemoryOrders, MemoryQueue, MemoryStatusEvents, MemoryTicks
from tests.fakes import RecordingTelemetry as Telemetry
from tests.fakes.builders import METEORA, ONE_SOL, RAYDIUM, an_id
from tests.fakes.engine import TIMINGS
from tests.fakes.market import ScriptedMarket
from tests.fakes.resting import MemoryResting

TEN_SOL = 10 * ONE_SOL
TOKEN = launch_token(7)


class ScriptedRouter:
    """`Router` over the scripted market, or over a list of prices, one a question."""

    venues = (RAYDIUM,)

    def __init__(self, market: ScriptedMarket, clock: FakeClock) -> None:
        self.market = market
        self.clock = clock
        self.script: list[str | None] = []
        self.asked: list[QuoteRequest] = []

    def quotes(self, request: QuoteRequest) -> list[Quote | NoQuote]:
        self.asked.append(request)
        self.clock.sleep(0.2)
        if not self.script:
            return self.market.preview(request, self.clock.now())
        price = self.script.pop(0)
        if price is None:
            return [NoQuote(RAYDIUM, ErrorCode.NO_QUOTE, "The venue answered with an error.", retryable=True)]
        return ScriptedMarket(usual=price).preview(request, self.clock.now())


@dataclass
class Desk:
    """Whoever places, amends and cancels, the watcher, the workers and reconcile, on one store."""

    store: OrderStore
    resting: RestingOrders
    clock: FakeClock
    market: ScriptedMarket = field(default_factory=lambda: ScriptedMarket(usual="169"))
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    events: MemoryStatusEvents = field(default_factory=MemoryStatusEvents)
    ticks: MemoryTicks = field(default_factory=MemoryTicks)
    telemetry: Telemetry = field(default_factory=Telemetry)

    def __post_init__(self) -> None:
        self.router = ScriptedRouter(self.market, self.clock)
        self.chain = FakeChain(self.clock)

    def watcher(self, crash: CrashPoint | None = None) -> WatcherPorts:
        return WatcherPorts(
            resting=self.resting,
            store=self.store,
            queue=self.queue,
            events=self.events,
            market=self.market,
            ticks=self.ticks,
            clock=self.clock,
            telemetry=self.telemetry,
            crash_point=crash or CrashAt(),
        )

    def worker(self, crash: CrashPoint | None = None) -> Worker:
        return Worker(
            store=self.store,
            events=self.events,
            router=self.router,
            swaps=self.chain,
            chain=self.chain,
            clock=self.clock,
            telemetry=self.telemetry,
            crash_point=crash or CrashAt(),
            ticks=self.ticks,
        )

    def place(
        self, limit: str = "170", amount: int = TEN_SOL, crash: CrashPoint | None = None, **changes: object
    ) -> Order:
        order = NewOrder(
            "user-1",
            "wallet-1",
            SOL,
            USDC,
            Side.SELL,
            amount,
            0,
            order_type=OrderType.LIMIT,
            limit_price=Decimal(limit),
            time_in_force=TimeInForce.GTC,
        )
        return self._place(replace(order, **changes), crash)  # type: ignore[arg-type]

    def snipe(self, limit: str | None = None, **conditions: object) -> Order:
        order = NewOrder(
            "user-1",
            "wallet-1",
            SOL,
            TOKEN,
            Side.SELL,
            ONE_SOL,
            500,
            order_type=OrderType.SNIPER,
            limit_price=Decimal(limit) if limit else None,
            launch=LaunchConditions(**conditions),  # type: ignore[arg-type]
        )
        return self._place(order)

    def _place(self, order: NewOrder, crash: CrashPoint | None = None) -> Order:
        ports = PlacingPorts(
            self.store,
            self.queue,
            self.market,
            self.ticks,
            self.events,
            self.telemetry,
            crash or CrashAt(),
            new_id=lambda: an_id(self.clock.now()),
        )
        return place_order(order, idempotency_key=None, ports=ports).order

    def amend(self, order: Order, limit: str) -> None:
        amend_order(
            order.id,
            Amendment(limit_price=Decimal(limit)),
            store=self.store,
            market=self.market,
            events=self.events,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def cancel(self, order: Order) -> None:
        cancel_order(order.id, store=self.store, events=self.events, telemetry=self.telemetry)

    def pays(self, *prices: str) -> None:
        """From this second on, one price a second; the last stays."""
        second = int(self.clock.now().timestamp())
        lasting = [*prices, *[prices[-1]] * 300]
        self.market.usdc |= {second + number: price for number, price in enumerate(lasting)}

    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)

    def beat(self) -> int:
        return beat(self.watcher()).fired

    def statuses(self, order: Order) -> list[str]:
        return [event.status.value for event in self.store.get(order.id).events]

    def run(self, order: Order, worker: Worker | None = None, *, deliveries: int = 20) -> None:
        """Delivers the order's message until it is done."""
        for _ in range(deliveries):
            until = self.clock.in_seconds(12)
            verdict = execute_order(order.id, worker=worker or self.worker(), timings=TIMINGS, until=until)
            if isinstance(verdict, Ack):
                return
            assert isinstance(verdict, RetryAfter)
            self.pass_time(math.ceil(verdict.seconds))
        raise AssertionError("The message is not done.")

    def reconcile(self) -> int:
        return reconcile(
            store=self.store,
            queue=self.queue,
            events=self.events,
            telemetry=self.telemetry,
            clock=self.clock,
            until=self.clock.in_seconds(46),
        )

    def launch(self, *, age: int = 0, opens_in: int = 0, liquidity: int = 41_200, **changes: object) -> Launch:
        at = self.clock.now() - timedelta(seconds=age)
        launch = Launch(
            pool="pool_1",
            event_id="evt_1",
            token=TOKEN,
            kind=LaunchKind.LAUNCH,
            venue=METEORA,
            confirmed_at=at,
            opens_at=at + timedelta(seconds=opens_in),
            liquidity_usd=liquidity,
        )
        self.market.launched_pools.append(replace(launch, **changes))  # type: ignore[arg-type]
        return self.market.launched_pools[-1]


@dataclass(kw_only=True)
class MemoryDesk(Desk):
    """`Desk` in memory; nobody follows its orders yet."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: MemoryOrders = field(init=False)
    resting: MemoryResting = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.store = MemoryOrders(self.clock, all_followed=False)
        self.resting = MemoryResting(self.store, self.clock)

    def place_five(self) -> list[Order]:
        """Five orders whose limits the price has just reached, the lowest first."""
        orders = [self.place(f"169.{number}") for number in range(1, 6)]
        self.pays("170")
        return orders

    def change(self, order: Order, **changes: object) -> None:
        """What no service does: stores the order with these fields."""
        row = self.store.rows[order.id]
        row.order = replace(row.order, **changes)  # type: ignore[arg-type]
