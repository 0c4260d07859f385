"""The watcher and the workers on a real Postgres, with a scripted market: what fires when, what comes of it."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import psycopg
import pytest

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.adapters.postgres.resting import PostgresResting
from chalicelib.domain.errors import ErrorCode, Fenced, NotCancellable
from chalicelib.domain.events import OrderCancelled
from chalicelib.domain.launches import Launch, LaunchFlag, LaunchKind
from chalicelib.domain.order import (
    LaunchConditions,
    LaunchEvent,
    NewOrder,
    Order,
    OrderType,
    TimeInForce,
    first_id_at,
)
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Side
from chalicelib.domain.tokens import SOL, USDC, launch_token
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.amend_order import Amendment, amend_order
from chalicelib.services.cancel_order import cancel_order
from chalicelib.services.execute_order import MAX_FIRES, Ack, RetryAfter, Worker, execute_order
from chalicelib.services.place_order import PlacingPorts, place_order
from chalicelib.services.ports import CrashPoint, Transition
from chalicelib.services.reconcile import reconcile
from chalicelib.services.watch import MOST_FIRED, WatcherPorts, beat, begin_minute, watch_on
from tests.fakes import CrashAt, FakeChain, FakeClock, Killed, MemoryQueue, MemoryStatusEvents, MemoryTicks
from tests.fakes import RecordingTelemetry as Telemetry
from tests.fakes.builders import METEORA, ONE_SOL, RAYDIUM
from tests.fakes.chain import Behaviour
from tests.fakes.engine import TIMINGS
from tests.fakes.market import ScriptedMarket
from tests.fakes.postgres import let_time_pass, open_database, row_of

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

    def place(self, limit: str = "170", amount: int = TEN_SOL, **changes: object) -> Order:
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
        return self._place(replace(order, **changes))  # type: ignore[arg-type]

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

    def _place(self, order: NewOrder) -> Order:
        ports = PlacingPorts(self.store, self.queue, self.market, self.ticks, self.telemetry)
        return place_order(order, idempotency_key=None, ports=ports).order

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


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    database = open_database(database_url)
    yield Desk(database_url, database)
    database.close()


# Firing


def test_case_1_a_resting_order_has_nobodys_attention(desk: Desk) -> None:
    order = desk.place()
    assert row_of(desk.url, order.id)["attention_at"] is None
    desk.pass_time(60)
    assert desk.reconcile() == 0
    assert desk.queue.sent == []


def test_case_16_it_fires_at_the_second_that_pays_its_limit(desk: Desk) -> None:
    order = desk.place()
    desk.pays("169", "169.99", "170")
    fired = []
    for _ in range(3):
        fired.append(desk.beat())
        desk.pass_time(1)
    assert fired == [0, 0, 1]
    history = desk.store.get(order.id)
    assert (history.order.status, history.order.sequence, history.order.fires) == (OrderStatus.PENDING, 2, 1)
    assert history.events[1].message == "The market reached 170 USDC per SOL: queued."
    trigger = history.events[1].meta["trigger"]
    assert isinstance(trigger, dict)
    assert (trigger["kind"], trigger["price"], trigger["fires"]) == ("price", "170", 1)
    assert desk.queue.sent == [order.id]
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "building", "submitted", "confirmed"]


def test_case_17_a_single_bad_tick_is_passed_over_and_a_jump_is_confirmed(desk: Desk) -> None:
    order = desk.place()
    desk.pays("169", "175", "174.9")
    assert desk.beat() == 0
    desk.pass_time(1)
    assert desk.beat() == 0
    desk.pass_time(1)
    assert desk.beat() == 1
    desk.run(order)
    filled = desk.store.get(order.id).order
    assert filled.route is not None
    assert filled.route.chosen.amount_out == 1_749_000_000


@pytest.mark.parametrize(("after", "fires"), [("169.8", 0), ("170.1", 1)])
def test_case_19_a_price_that_came_and_went_while_nobody_looked_is_no_chance(
    desk: Desk, after: str, fires: int
) -> None:
    desk.place()
    desk.pays("169.9", "170.4", "170.4", after, after)
    assert desk.beat() == 0
    desk.pass_time(4)
    assert desk.beat() == fires


def test_case_20_the_full_size_decides(desk: Desk) -> None:
    order = desk.place(amount=1_000 * ONE_SOL)
    desk.pays("170", "170", "170", "170.05")
    second = int(desk.clock.now().timestamp())
    desk.market.full = {second: "169.96", second + 1: "169.96", second + 2: "169.96", second + 3: "170.01"}
    done = beat(desk.watcher())
    assert (done.fired, done.postponed) == (0, 1)
    desk.pass_time(1)
    assert beat(desk.watcher()).postponed == 0
    desk.pass_time(2)
    assert desk.beat() == 1
    assert desk.store.get(order.id).order.sequence == 2


def test_case_21_two_watchers_move_each_order_once(desk: Desk) -> None:
    orders = [desk.place() for _ in range(100)]
    desk.pays("170")
    other = open_database(desk.url)
    together = threading.Barrier(2)
    fired = []

    def look(database: Database) -> None:
        together.wait(10)
        fired.append(beat(desk.watcher(database)).fired)

    threads = [threading.Thread(target=look, args=[database]) for database in (desk.database, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    fired.append(desk.beat())
    other.close()
    assert sum(fired) == 100
    assert sorted(desk.queue.sent) == sorted(order.id for order in orders)
    assert {desk.store.get(order.id).order.sequence for order in orders} == {2}


def test_case_22_and_24_a_watcher_that_dies_after_its_commit_loses_and_doubles_nothing(desk: Desk) -> None:
    order = desk.place()
    desk.pays("170")
    with pytest.raises(Killed):
        beat(desk.watcher(crash=CrashAt("after_fire_commit")))
    assert desk.statuses(order) == ["waiting", "pending"]
    assert desk.queue.sent == []
    assert desk.beat() == 0
    desk.pass_time(75)
    assert desk.reconcile() == 1
    assert desk.queue.sent == [order.id]
    for _ in range(3):
        desk.run(order)
    assert desk.chain.settlements(order.id) == 1


@pytest.mark.parametrize("point", ["after_crossing", "after_fire_send"])
def test_case_23_killed_elsewhere_the_next_beat_goes_on(desk: Desk, point: str) -> None:
    order = desk.place()
    desk.pays("170")
    with pytest.raises(Killed):
        beat(desk.watcher(crash=CrashAt(point)))
    expected = ["waiting"] if point == "after_crossing" else ["waiting", "pending"]
    assert desk.statuses(order) == expected
    desk.beat()
    assert desk.statuses(order) == ["waiting", "pending"]
    assert desk.queue.sent == [order.id]


def test_case_25_a_crash_through_many_limits_fires_by_price_then_time_and_never_more_than_the_room(desk: Desk) -> None:
    prices = ["169.4", "169.2", "169.3"]
    orders = [desk.place(prices[number % 3]) for number in range(330)]
    desk.pays("169.5")
    assert desk.beat() == MOST_FIRED
    wanted = sorted(orders, key=lambda order: (order.bound, order.id))
    assert desk.queue.sent == [order.id for order in wanted[:MOST_FIRED]]
    assert desk.beat() == 0
    assert desk.telemetry.total("FireBacklog") > 0
    # What gets a worker makes room.
    with psycopg.connect(desk.url, autocommit=True) as connection:
        connection.execute(
            "UPDATE orders SET status = 'routing' WHERE id = ANY(%s)", [[order.id for order in wanted[:50]]]
        )
    assert desk.beat() == 50
    assert desk.queue.sent == [order.id for order in wanted[: MOST_FIRED + 50]]


# Missing and resting again


def rested(desk: Desk, *quotes: str | None, **changes: object) -> Order:
    """An order that fired at 170.02 and whose worker then got these quotes."""
    order = desk.place(**changes)  # type: ignore[arg-type]
    desk.pays("170.02")
    assert desk.beat() == 1
    desk.router.script = list(quotes)
    desk.run(order)
    return desk.store.get(order.id).order


def test_case_28_a_price_that_is_gone_at_three_looks_rests_again(desk: Desk) -> None:
    order = rested(desk, "169.98", "169.95", "169.99")
    assert desk.statuses(order) == ["waiting", "pending", "routing", "waiting"]
    newest = desk.store.get(order.id).events[-1]
    assert newest.message == "The price moved away: 169.99 at best. Resting again, next look in 2 s."
    assert isinstance(newest.meta["error"], dict)
    assert newest.meta["error"]["code"] == "limit_not_met"
    assert (order.attempt, order.fires, order.route, order.transaction) == (1, 1, None, None)
    assert len(desk.router.asked) == 3
    row = row_of(desk.url, order.id)
    assert (row["attention_at"], row["lease_token"]) == (None, None)
    assert desk.beat() == 0
    desk.pass_time(3)
    assert desk.beat() == 1
    desk.run(order)
    assert desk.statuses(order)[4:] == ["pending", "routing", "building", "submitted", "confirmed"]
    # A second firing is another attempt towards venues and chain.
    assert [request.reference for request in desk.router.asked] == [f"{order.id}:1"] * 3 + [f"{order.id}:2:1"]


def test_case_29_a_price_that_comes_back_within_three_looks_is_taken(desk: Desk) -> None:
    order = rested(desk, "169.98", "170.01")
    assert desk.statuses(order) == ["waiting", "pending", "routing", "building", "submitted", "confirmed"]
    assert order.fill is not None
    assert order.fill.amount_out >= 1_700_000_000


def test_case_30_reverted_for_the_price_it_rests_and_signs_anew(desk: Desk) -> None:
    order = desk.place()
    desk.pays("170.02")
    desk.beat()
    desk.chain.behaviours[1] = Behaviour.REVERTS
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "building", "submitted", "waiting"]
    del desk.chain.behaviours[1]
    desk.pass_time(3)
    assert desk.beat() == 1
    desk.run(order)
    assert desk.statuses(order)[-1] == "confirmed"
    assert len(set(desk.chain.submissions)) == 2
    assert desk.chain.settlements(order.id) == 1


def test_case_31_venues_without_a_quote_use_up_the_firing_and_not_the_order(desk: Desk) -> None:
    order = rested(desk, None, None, None)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "routing", "routing", "waiting"]
    assert order.attempt == 1


def test_case_32_a_final_refusal_fails(desk: Desk) -> None:
    order = desk.place()
    desk.pays("170.02")
    desk.beat()
    desk.market.deepest = 1
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "failed"]
    failure = desk.store.get(order.id).order.failure
    assert failure is not None
    assert failure.code is ErrorCode.INSUFFICIENT_LIQUIDITY


def test_case_33_fill_or_kill_is_looked_at_once(desk: Desk) -> None:
    desk.pays("170.1")
    order = desk.place(time_in_force=TimeInForce.FOK)
    assert (order.status, order.fires, order.expires_at) == (OrderStatus.PENDING, 1, None)
    desk.router.script = ["169.9", "171"]
    desk.run(order)
    assert desk.statuses(order) == ["pending", "routing", "expired"]
    newest = desk.store.get(order.id)
    assert newest.order.failure is not None
    assert newest.order.failure.code is ErrorCode.LIMIT_NOT_MET
    assert len(desk.router.asked) == 1
    # An unmet one never rests either: one look, and it ends.
    unmet = desk.place("171.5", time_in_force=TimeInForce.FOK)
    desk.router.script = ["170"]
    desk.run(unmet)
    assert desk.statuses(unmet) == ["pending", "routing", "expired"]


def test_case_34_the_hundredth_firing_that_misses_is_the_last(desk: Desk) -> None:
    order = desk.place()
    with psycopg.connect(desk.url, autocommit=True) as connection:
        connection.execute("UPDATE orders SET fires = %s WHERE id = %s", [MAX_FIRES - 1, order.id])
    desk.pays("170.02")
    assert desk.beat() == 1
    desk.router.script = ["169"] * 3
    desk.run(order)
    ended = desk.store.get(order.id).order
    assert ended.status is OrderStatus.FAILED
    assert ended.failure is not None
    assert (ended.failure.code, ended.failure.retryable) == (ErrorCode.LIMIT_NOT_MET, True)


def test_case_35_a_late_copy_of_a_message_finds_nothing_to_do(desk: Desk) -> None:
    order = rested(desk, "169.98", "169.95", "169.99")
    desk.run(order)
    assert desk.statuses(order)[-1] == "waiting"
    assert len(desk.router.asked) == 3


# Cancel, amend, expire


def test_case_36_a_cancelled_order_fires_no_more(desk: Desk) -> None:
    order = desk.place()
    desk.pays("170")
    cancel_order(order.id, store=desk.store, events=desk.events, telemetry=desk.telemetry)
    assert desk.beat() == 0
    assert desk.statuses(order) == ["waiting", "cancelled"]


def test_case_36_of_a_cancel_and_a_firing_one_wins(desk: Desk) -> None:
    order = desk.place()
    desk.pays("170")
    seen = desk.store.get(order.id)
    resting = PostgresResting(desk.database)
    desk.beat()
    with pytest.raises(Fenced):
        desk.store.advance(seen, Transition(seen.order, OrderCancelled(), lease=None, release=True))
    other = desk.place("171")
    read = desk.store.get(other.id).order
    cancel_order(other.id, store=desk.store, events=desk.events, telemetry=desk.telemetry)
    from chalicelib.domain.events import PriceReached

    assert resting.move([(read, PriceReached(Fraction(1), desk.clock.now(), 0))]) == []


def test_case_38_an_amended_order_fires_at_its_new_limit(desk: Desk) -> None:
    order = desk.place()
    desk.pays("170.5", "171")
    amend_order(
        order.id,
        Amendment(limit_price=Decimal(171)),
        store=desk.store,
        market=desk.market,
        events=desk.events,
        clock=desk.clock,
        telemetry=desk.telemetry,
    )
    assert desk.statuses(order) == ["waiting", "waiting"]
    assert desk.beat() == 0
    desk.pass_time(1)
    assert desk.beat() == 1
    row = row_of(desk.url, order.id)
    assert (row["least_output"], row["limit_price"]) == (1_710_000_000, 171)


def test_case_41_an_order_expires_and_its_followers_are_told(desk: Desk) -> None:
    order = desk.place(expires_at=desk.clock.in_seconds(10))
    unfollowed = desk.place(expires_at=desk.clock.in_seconds(10))
    desk.store.follow(order.id)
    desk.pass_time(12)
    done = beat(desk.watcher())
    assert (done.expired, done.fired) == (2, 0)
    assert row_of(desk.url, unfollowed.id)["attention_at"] is None
    assert desk.statuses(order) == ["waiting", "expired"]
    assert [sent.history.order.status for sent in desk.events.sent] == [OrderStatus.EXPIRED]
    assert row_of(desk.url, order.id)["attention_at"] is None
    with pytest.raises(NotCancellable):
        cancel_order(order.id, store=desk.store, events=desk.events, telemetry=desk.telemetry)


def test_case_41_an_end_that_cannot_be_told_reconcile_tells(desk: Desk) -> None:
    order = desk.place(expires_at=desk.clock.in_seconds(10))
    desk.store.follow(order.id)
    desk.pass_time(12)
    desk.events.outage = True
    beat(desk.watcher())
    desk.events.outage = False
    desk.pass_time(6)
    assert desk.reconcile() == 1
    assert [sent.history.order.id for sent in desk.events.sent] == [order.id]


def test_case_43_what_stands_in_the_queue_past_its_end_is_never_signed(desk: Desk) -> None:
    order = desk.place(expires_at=desk.clock.in_seconds(10))
    desk.pays("170")
    assert desk.beat() == 1
    desk.pass_time(12)
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "expired"]
    assert desk.chain.submissions == {}


@pytest.mark.parametrize("when", ["quotes", "build"])
def test_case_43_nothing_is_signed_after_the_end(desk: Desk, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    order = desk.place(expires_at=desk.clock.in_seconds(10))
    desk.pays("170")
    desk.beat()
    port, call = (desk.router, "quotes") if when == "quotes" else (desk.chain, "build_swap")
    original: Callable[..., object] = getattr(port, call)

    def slowly(*arguments: object) -> object:
        answer = original(*arguments)
        desk.pass_time(11)
        return answer

    monkeypatch.setattr(port, call, slowly)
    desk.run(order)
    assert desk.statuses(order)[-1] == "expired"
    assert desk.chain.submissions == {}
    assert row_of(desk.url, order.id)["signature"] is None


def test_case_43_what_was_signed_in_time_may_land_after_it(desk: Desk) -> None:
    order = desk.place(expires_at=desk.clock.in_seconds(10))
    desk.pays("170")
    desk.beat()
    with pytest.raises(Killed):
        desk.run(order, desk.worker(CrashAt("after_signature")))
    desk.pass_time(20)
    desk.run(order)
    assert desk.statuses(order)[-1] == "confirmed"


def test_case_44_after_an_outage_ends_and_firings_come_at_once(desk: Desk) -> None:
    over = [desk.place(expires_at=desk.clock.in_seconds(60)) for _ in range(3)]
    waiting = [desk.place() for _ in range(2)]
    desk.pass_time(3600)
    desk.pays("170")
    desk.pass_time(1)
    begin_minute(desk.watcher())
    assert [desk.statuses(order)[-1] for order in over] == ["expired"] * 3
    assert [desk.statuses(order)[-1] for order in waiting] == ["pending"] * 2


# Beats


def test_while_nobody_waits_a_minute_has_one_beat(desk: Desk) -> None:
    begin_minute(desk.watcher())
    assert desk.ticks.delays == []


def test_the_first_beat_queues_the_minutes_others_and_the_next_minutes_goes_on_where_they_end(desk: Desk) -> None:
    desk.place()
    begin_minute(desk.watcher())
    # Placing had sent for the watcher: the seconds until it comes are counted as queued.
    first = desk.ticks.delays[0]
    assert 2 <= first <= 6
    assert desk.ticks.delays == list(range(first, 63))
    desk.pass_time(60)
    desk.ticks.delays.clear()
    begin_minute(desk.watcher())
    # The first minute's reach into the second.
    assert desk.ticks.delays == list(range(3, 63))


def test_the_first_order_to_rest_sends_for_the_watcher_and_the_others_do_not(desk: Desk) -> None:
    desk.place()
    assert desk.ticks.wakes == 1
    watch_on(desk.watcher())
    for _ in range(5):
        desk.place()
    assert desk.ticks.wakes == 1


# Snipers


def test_case_45_a_sniper_fires_at_its_launch(desk: Desk) -> None:
    order = desk.snipe()
    assert desk.beat() == 0
    desk.launch()
    assert desk.beat() == 1
    newest = desk.store.get(order.id).events[-1]
    assert newest.message == "LNCH-7 opened on meteora with 41200 USD: queued."
    trigger = newest.meta["trigger"]
    assert isinstance(trigger, dict)
    assert (trigger["kind"], trigger["pool"], trigger["eventId"]) == ("launch", "pool_1", "evt_1")
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "building", "submitted", "confirmed"]
    assert desk.beat() == 0


@pytest.mark.parametrize("most", [60, 30])
def test_case_46_it_fires_when_the_pool_opens_and_the_age_counts_from_then(desk: Desk, most: int) -> None:
    desk.snipe(max_age_seconds=most)
    desk.launch(opens_in=40)
    fired = []
    for second in range(45):
        if desk.beat():
            fired.append(second)
        desk.pass_time(1)
    assert fired == [40]


def test_case_47_a_pool_that_is_told_of_twice_is_one(desk: Desk) -> None:
    order = desk.snipe()
    first = desk.launch()
    desk.market.launched_pools.append(replace(first, event_id="evt_2"))
    assert desk.beat() == 1
    assert desk.statuses(order) == ["waiting", "pending"]
    with psycopg.connect(desk.url) as connection:
        rows = connection.execute("SELECT pool, event_ids FROM launches").fetchall()
    assert rows == [("pool_1", ["evt_1", "evt_2"])]


def test_case_49_liquidity_that_comes_later_is_waited_for(desk: Desk) -> None:
    desk.snipe()
    desk.launch(liquidity=800)
    for second in range(12):
        if second == 10:
            desk.market.launched_pools = [replace(desk.market.launched_pools[0], liquidity_usd=6_000)]
        assert desk.beat() == (second == 10)
        desk.pass_time(1)


@pytest.mark.parametrize(
    ("conditions", "changes", "named", "sentence"),
    [
        ({}, {"liquidity": 800}, ["liquidity"], "Not bought: liquidity 800 of 5000 USD."),
        (
            {"event": LaunchEvent.MIGRATION},
            {},
            ["event"],
            "Not bought: it was a launch, not a migration.",
        ),
        (
            {},
            {"flags": (LaunchFlag.MINT_AUTHORITY,)},
            ["safety"],
            "Not bought: the token has mint authority.",
        ),
        (
            {},
            {"flags": (LaunchFlag.TRANSFER_FEE,), "liquidity": 1},
            ["liquidity", "safety"],
            "Not bought: liquidity 1 of 5000 USD; the token has transfer fee.",
        ),
    ],
)
def test_cases_49_to_51_what_does_not_hold_until_the_launch_is_too_old_is_named(
    desk: Desk, conditions: dict[str, object], changes: dict[str, object], named: list[str], sentence: str
) -> None:
    order = desk.snipe(**conditions)  # type: ignore[arg-type]
    desk.store.follow(order.id)
    desk.launch(**changes)  # type: ignore[arg-type]
    ended = None
    for second in range(35):
        desk.beat()
        if desk.statuses(order)[-1] == "failed":
            ended = second
            break
        desk.pass_time(1)
    assert ended == 31
    newest = desk.store.get(order.id).events[-1]
    assert (newest.message, newest.meta["conditions"]) == (sentence, named)
    assert isinstance(newest.meta["error"], dict)
    assert newest.meta["error"]["code"] == "launch_skipped"
    assert [sent.history.order.status for sent in desk.events.sent] == [OrderStatus.FAILED]


def test_unsafe_tokens_are_bought_by_those_who_want_them(desk: Desk) -> None:
    desk.snipe(require_safe=False)
    desk.launch(flags=(LaunchFlag.FREEZE_AUTHORITY,))
    assert desk.beat() == 1


def test_case_52_a_launch_between_the_check_and_the_insert_fires_at_the_next_beat(desk: Desk) -> None:
    desk.snipe()
    desk.launch(age=3)
    assert desk.beat() == 1
    # One that is long before the order is not its launch.
    desk.market.launched_pools.clear()
    desk.snipe()
    desk.launch(age=20)
    assert desk.beat() == 0


@pytest.mark.parametrize(("down", "end"), [(400, "failed"), (20, "pending")])
def test_case_53_a_watcher_that_was_down_skips_what_is_too_old(desk: Desk, down: int, end: str) -> None:
    order = desk.snipe()
    desk.beat()
    desk.launch()
    desk.pass_time(down)
    desk.beat()
    history = desk.store.get(order.id)
    assert history.order.status.value == end
    if end == "failed":
        assert history.events[-1].meta["conditions"] == ["age"]


def test_case_55_a_sniper_with_a_limit_waits_for_its_price_and_rests_where_it_is_gone(desk: Desk) -> None:
    order = desk.snipe(limit="1.0")
    second = int(desk.clock.now().timestamp())
    desk.launch()
    # SOL pays so many of the token.
    desk.market.usual = "0.9"
    desk.market.usdc = {second + late: "1.1" for late in (2, 3, *range(8, 60))}
    assert desk.beat() == 0
    desk.pass_time(2)
    assert desk.beat() == 1
    desk.router.script = ["0.9", "0.9", "0.9"]
    before = desk.clock.now()
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "waiting"]
    spent = int((desk.clock.now() - before).total_seconds())
    desk.router.script = []
    fired = 0
    for _ in range(12 - spent):
        fired = desk.beat()
        if fired:
            break
        desk.pass_time(1)
    assert fired == 1
    assert int(desk.clock.now().timestamp()) - second >= 8
    desk.run(order)
    assert desk.statuses(order)[-1] == "confirmed"
    ended = desk.store.get(order.id).order
    assert ended.fill is not None
    assert ended.fill.amount_out >= 1_000_000


# What stands in the database keeps the limit, whoever writes.


def test_a_worker_that_knows_no_limits_cannot_route_past_one(desk: Desk) -> None:
    """The version before claims a fired order while a deployment is under way, and routes it as a market order."""
    order = desk.place()
    desk.pays("170")
    desk.beat()
    with psycopg.connect(desk.url, autocommit=True) as connection:
        past = '{"minimum_output": 1699999999, "maximum_input": 10000000000}'
        with pytest.raises(psycopg.errors.CheckViolation, match="route_keeps_limit"):
            connection.execute("UPDATE orders SET route = %s, status = 'building' WHERE id = %s", [past, order.id])
        # The version before reads and claims nothing that rests: its list of states has no such state.
        resting = desk.place("171")
        claimed = connection.execute(
            "UPDATE orders SET lease_token = gen_random_uuid() WHERE id = %s"
            " AND status IN ('pending', 'routing', 'building', 'submitted') RETURNING id",
            [resting.id],
        ).fetchall()
    assert claimed == []


def test_an_order_of_the_version_before_is_executed_as_a_market_order(desk: Desk) -> None:
    at = desk.clock.now()
    order_id = f"{first_id_at(at)}{'0' * 20}"
    with psycopg.connect(desk.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO orders (id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps,"
            " status, attempt, sequence, created_at, updated_at, attention_at)"
            " VALUES (%s, 'u', 'w', 'SOL', 'USDC', 'sell', 1000000000, 50, 'pending', 1, 1, now(), now(), now())",
            [order_id],
        )
        connection.execute(
            "INSERT INTO order_events (order_id, sequence, status, attempt, message, meta, occurred_at)"
            " VALUES (%s, 1, 'pending', 1, 'Order accepted.', '{}', now())",
            [order_id],
        )
    order = desk.store.get(order_id).order
    assert (order.order_type, order.fires, order.guard) == (OrderType.MARKET, 0, None)
    desk.run(order)
    assert desk.statuses(order)[-1] == "confirmed"
