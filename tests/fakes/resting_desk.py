"""Everything that serves resting orders, on a real Postgres, with a scripted market and a clock that tests move."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.adapters.postgres.resting import PostgresResting
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.launches import Launch, LaunchKind
from chalicelib.domain.order import LaunchConditions, NewOrder, Order, OrderType, TimeInForce
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Side
from chalicelib.domain.tokens import SOL, USDC, launch_token
from chalicelib.ports.runtime import CrashPoint
from chalicelib.services.amend_order import Amendment, amend_order
from chalicelib.services.cancel_order import cancel_order
from chalicelib.services.execute_order import execute_order
from chalicelib.services.firing import WatcherPorts
from chalicelib.services.place_order import PlacingPorts, place_order
from chalicelib.services.reconcile import reconcile
from chalicelib.services.watch import beat
from chalicelib.services.worker import Ack, RetryAfter, Worker
from tests.fakes import CrashAt, FakeChain, FakeClock, MemoryQueue, MemoryStatusEvents, MemoryTicks
from tests.fakes import RecordingTelemetry as Telemetry
from tests.fakes.builders import METEORA, ONE_SOL, RAYDIUM
from tests.fakes.engine import TIMINGS
from tests.fakes.market import ScriptedMarket
from tests.fakes.postgres import let_time_pass

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
    """Everything that serves resting orders, on one database; time passes in it and in the database alike."""

    url: str
    database: Database
    clock: FakeClock = field(default_factory=lambda: FakeClock(datetime.now(UTC).replace(microsecond=0)))
    market: ScriptedMarket = field(default_factory=lambda: ScriptedMarket(usual="169"))
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    events: MemoryStatusEvents = field(default_factory=MemoryStatusEvents)
    ticks: MemoryTicks = field(default_factory=MemoryTicks)
    telemetry: Telemetry = field(default_factory=Telemetry)

    def __post_init__(self) -> None:
        self.store = PostgresOrders(self.database)
        self.router = ScriptedRouter(self.market, self.clock)
        self.chain = FakeChain(self.clock)

    def watcher(self, database: Database | None = None, crash: CrashPoint | None = None) -> WatcherPorts:
        return WatcherPorts(
            resting=PostgresResting(database or self.database),
            store=PostgresOrders(database or self.database),
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
            self.store, self.queue, self.market, self.ticks, self.events, self.telemetry, crash or CrashAt()
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
        let_time_pass(self.url, seconds)

    def beat(self) -> int:
        return beat(self.watcher()).fired

    def statuses(self, order: Order) -> list[str]:
        return [event.status.value for event in self.store.get(order.id).events]

    def run(self, order: Order, worker: Worker | None = None, *, deliveries: int = 20) -> None:
        """Delivers the order's message until it is done; the worker's clock is no later than the database's."""
        self.clock.advance(max((datetime.now(UTC) - self.clock.now()).total_seconds(), 0))
        for _ in range(deliveries):
            until = self.clock.in_seconds(12)
            verdict = execute_order(order.id, worker=worker or self.worker(), timings=TIMINGS, until=until)
            if isinstance(verdict, Ack):
                return
            assert isinstance(verdict, RetryAfter)
            self.clock.advance(verdict.seconds)
            let_time_pass(self.url, max(verdict.seconds, 1))
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
