"""The watcher against brute force: `python -m tests.benchmarks.oracle --orders 10000 --seconds 3600`.

Run it with PYTHONPATH=functions. Random limit orders of many sizes are placed at random seconds on a market with bad
ticks and pauses. The oracle computes the full-size quote of every size at every second, skips nothing, and knows from
that the first second at which each order's limit is paid. What `./dev replay` runs, or with --postgres the watcher on
a real database, must have fired each order then.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial

import psycopg

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.adapters.postgres.resting import PostgresResting
from chalicelib.config import Fault
from chalicelib.domain.errors import EngineError
from chalicelib.domain.limits import guard_of, in_display_units, rounded
from chalicelib.domain.order import NewOrder, Order, OrderType, TimeInForce, first_id_at
from chalicelib.domain.quotes import Quote, QuoteRequest, Side
from chalicelib.domain.tokens import BONK, JUP, SOL, USDC, Token
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.firing import LOOK_AGAIN_SECONDS, MOST_FIRED, WatcherPorts
from chalicelib.services.place_order import PlacingPorts, place_order
from chalicelib.services.watch import beat
from chalicelib.venues.simulated.market import SimulatedMarket
from localstack.replay.reading import ReplayOrder
from localstack.replay.run import Replay, ReplayEvent, replay
from tests.fakes import CrashAt, FakeClock, MemoryQueue, MemoryStatusEvents, MemoryTicks, RecordingTelemetry
from tests.fakes.market import a_market, watched
from tests.fakes.postgres import a_server, settings_for

PAIRS = ((SOL, USDC), (USDC, SOL), (JUP, USDC), (BONK, SOL))
# Powers of ten of a token: from dust, whose rounding is whole percents, to what moves the pool.
SIZES = (-4, -2, 0, 1, 3, 4)
FAULTS = {Fault.BAD_TICK: 0.01, Fault.FEED_DOWN: 0.01}
START = datetime(2026, 11, 26, 12, tzinfo=UTC)

Size = tuple[Token, Token, Side, int]


@dataclass(frozen=True)
class Seen:
    """How an order fared: whether it began as pending, the price from which the watcher looks, when it fired first."""

    at_once: bool
    bound: Decimal | None
    fired: int | None


@dataclass(frozen=True)
class Run:
    """How all fared; `full` are the seconds in which the watcher looked at as many orders as it may."""

    seen: Mapping[str, Seen]
    full: frozenset[int]


class Truth:
    """What the market pays for every size at every second, and its touch: asked one by one, nothing left out."""

    def __init__(self, market: SimulatedMarket, sizes: Iterable[Size], seconds: int) -> None:
        self._market = market
        self._moments = [START + timedelta(seconds=second) for second in range(-2, seconds)]
        self.best = {size: self._all_of(size) for size in sizes}
        self.touches = {pair: self._usable(*pair) for pair in PAIRS}

    def _all_of(self, size: Size) -> list[int | None]:
        """A second's best output of a sale, or least input of a purchase; None where nobody quotes."""
        one, other, side, amount = size
        request = QuoteRequest(one, other, side, amount, "oracle")
        found: list[int | None] = []
        for moment in self._moments[2:]:
            quotes = [quote for quote in self._market.preview(request, moment) if isinstance(quote, Quote)]
            near = [quote for quote in quotes if quote.price_impact_pct <= 15]
            if side is Side.SELL:
                found.append(max((quote.amount_out for quote in near), default=None))
            else:
                found.append(min((quote.amount_in for quote in near), default=None))
        return found

    def _usable(self, one: Token, other: Token) -> list[Fraction | None]:
        """The touch, where it is within 3 % of that of one of the two seconds before."""
        touches = [max(self._market.touches(one, other, at).values(), default=None) for at in self._moments]
        usable: list[Fraction | None] = []
        for number in range(2, len(touches)):
            now = touches[number]
            near = now is not None and any(
                before is not None and abs(now / before - 1) <= Fraction(3, 100)
                for before in touches[number - 2 : number]
            )
            usable.append(now if near else None)
        return usable

    def pays(self, order: NewOrder) -> list[bool]:
        """Whether the market pays the order's limit for its full size, each second."""
        assert order.limit_price is not None
        pair = order.input_token, order.output_token
        guard = guard_of(order.limit_price, order.side, order.amount, *pair)
        best = self.best[(*pair, order.side, order.amount)]
        if order.side is Side.SELL:
            return [one is not None and one >= guard.minimum_output for one in best]
        return [one is not None and one <= guard.maximum_input for one in best]


def some_orders(chance: random.Random, market: SimulatedMarket, count: int, seconds: int) -> list[ReplayOrder]:
    """Limits from just below the market to 4 % above it, of every pair, side and size, placed at random seconds."""
    wanted = []
    for number in range(count):
        second = chance.randrange(max(seconds * 3 // 4, 1))
        at = START + timedelta(seconds=second)
        pair, side = chance.choice(PAIRS), chance.choice(list(Side))
        counted = pair[0] if side is Side.SELL else pair[1]
        amount = int(Decimal(10) ** (counted.decimals + chance.choice(SIZES)))
        away = 1 + Decimal(chance.choice((1, 1, 4)) * chance.randrange(-10, 100)) / 10_000
        touch = rounded(in_display_units(max(market.touches(*pair, at).values(), default=Fraction(1)), *pair))
        limit = (touch * away).quantize(Decimal("1e-12")).normalize()
        order = NewOrder(
            f"user-{number // 500}",
            "wallet",
            *pair,
            side,
            amount,
            0,
            order_type=OrderType.LIMIT,
            limit_price=limit,
            time_in_force=TimeInForce.GTC,
        )
        wanted.append(ReplayOrder(f"order {number}", at, order))
    return sorted(wanted, key=lambda one: one.at)


def replayed(wanted: Sequence[ReplayOrder], market: SimulatedMarket, seconds: int, clock: FakeClock) -> Run:
    """As `./dev replay` fires them."""
    engine = Replay(replace(market.simulation.settings, delay_scale=1), clock.now())
    seen: dict[str, Seen] = {}
    looked: Counter[int] = Counter()
    engine.on_beat = lambda at, done: looked.update({second_of(at): done.fired + done.postponed})
    for told in replay(wanted, engine, START + timedelta(seconds=seconds)):
        if not isinstance(told, ReplayEvent):
            continue
        if told.event.sequence == 1:
            order = engine.orders.get(told.event.order_id).order
            seen[told.name] = Seen(told.event.status is OrderStatus.PENDING, order.bound, None)
        elif "trigger" in told.event.meta and seen[told.name].fired is None:
            seen[told.name] = replace(seen[told.name], fired=second_of(told.event.occurred_at))
    return Run(seen, frozenset(second for second, orders in looked.items() if orders >= MOST_FIRED))


def on_postgres(
    wanted: Sequence[ReplayOrder], market: SimulatedMarket, seconds: int, clock: FakeClock, url: str
) -> Run:
    """As the watcher fires them on a real database, whose time passes with the clock's; workers are never short."""
    database = Database(settings_for(url))
    store, queue, telemetry = PostgresOrders(database), MemoryQueue(), RecordingTelemetry()
    placing = PlacingPorts(store, queue, market, MemoryTicks(), MemoryStatusEvents(), telemetry, CrashAt())
    ports = WatcherPorts(
        resting=PostgresResting(database),
        store=store,
        queue=queue,
        events=MemoryStatusEvents(),
        market=market,
        ticks=MemoryTicks(),
        clock=clock,
        telemetry=telemetry,
        crash_point=CrashAt(),
    )
    seen: dict[str, Seen] = {}
    names: dict[str, str] = {}
    full = set()
    waiting = list(reversed(wanted))
    with psycopg.connect(url, autocommit=True) as connection:
        for second in range(seconds):
            done = beat(ports)
            if done.fired + done.postponed >= MOST_FIRED:
                full.add(second)
            for order_id in queue.sent:
                seen[names[order_id]] = replace(seen[names[order_id]], fired=second)
            while waiting and waiting[-1].at <= clock.now():
                one = waiting.pop()
                placed = _placed(one, placing, clock)
                if placed is not None:
                    seen[one.name] = Seen(placed.status is OrderStatus.PENDING, placed.bound, None)
                    names[placed.id] = one.name
            queue.sent.clear()
            connection.execute(NEXT_SECOND)
            clock.advance(1)
    database.close()
    return Run(seen, frozenset(full))


# What fired, or was met when placed, is some worker's. What was postponed is looked at in two seconds of the clock,
# however long those take.
NEXT_SECOND = """
UPDATE orders SET status = 'failed', error_code = 'x', attention_at = NULL WHERE status = 'pending';
UPDATE orders SET fires_from = NULL WHERE status = 'waiting' AND fires_from > clock_timestamp() + interval '1 hour';
UPDATE orders SET fires_from = clock_timestamp() + interval '2 hours'
WHERE status = 'waiting' AND fires_from IS NOT NULL
"""


def _placed(one: ReplayOrder, placing: PlacingPorts, clock: FakeClock) -> Order | None:
    number = int(one.name.removeprefix("order "))
    ports = replace(placing, new_id=lambda: f"{first_id_at(clock.now())}{number:020x}")
    try:
        return place_order(one.order, idempotency_key=None, ports=ports).order
    except EngineError:
        return None


def second_of(moment: datetime) -> int:
    """How many seconds after the start."""
    return int((moment - START).total_seconds())


def judge(wanted: Sequence[ReplayOrder], run: Run, truth: Truth) -> Counter[str]:
    """How many orders fired how. Raises AssertionError where one fired at another second than it should have."""
    counted: Counter[str] = Counter()
    for one in wanted:
        seen = run.seen.get(one.name)
        counted[_verdict(one, seen, run.full, truth) if seen else "refused"] += 1
    return counted


def _verdict(one: ReplayOrder, seen: Seen, full: frozenset[int], truth: Truth) -> str:
    """One order second by second: it is looked at where the touch is at its bound, and where in vain, not the next."""
    pays = truth.pays(one.order)
    placed = second_of(one.at)
    assert seen.at_once == pays[placed], one
    if seen.at_once:
        return "met when placed"
    pair = one.order.input_token, one.order.output_token
    touches = truth.touches[pair]
    paid = [second for second in range(placed + 1, len(pays)) if pays[second] and touches[second] is not None]
    assert seen.bound is not None
    # Where the watcher was at its limit, nobody knows whether it looked at this order, until it was below its bound.
    look_from, unsure, was_full, was_late, last_looked = 0, False, False, False, placed
    for second in range(placed + 1, len(pays)):
        touch = touches[second]
        looks = touch is not None and in_display_units(touch, *pair) >= Fraction(seen.bound)
        assert looks or second not in paid, f"The bound hides {second}: {one}"
        if second == seen.fired:
            assert second in paid, f"Fired at {second}, which does not pay the limit: {one}"
            assert unsure or second >= look_from, one
            if was_full:
                return "later: the watcher was at its limit"
            return "a second later: looked at in vain before" if was_late else "at the first second that pays"
        if not looks:
            unsure = unsure and second - last_looked < LOOK_AGAIN_SECONDS
            continue
        in_vain_before = unsure and last_looked == second - 1 and not pays[second - 1]
        last_looked = second
        unsure = unsure or second in full
        was_full = was_full or (unsure and second in paid)
        if pays[second] and not (second < look_from or second in full or in_vain_before):
            raise AssertionError(f"Not fired at {second}, which pays the limit: {one}")
        was_late = was_late or second in paid
        if second >= look_from and not pays[second]:
            look_from = second + LOOK_AGAIN_SECONDS
    assert seen.fired is None, one
    return "paid only while it was not looked at" if paid else "never paid"


def check(count: int, seconds: int, seed: int, run: Callable[..., Run]) -> Counter[str]:
    """The whole comparison. Raises AssertionError."""
    clock = FakeClock(START)
    market = watched(a_market(clock, delay_scale=0, volatility="3", seed=seed, faults=FAULTS))
    wanted = some_orders(random.Random(seed), market, count, seconds)
    sizes = {(one.order.input_token, one.order.output_token, one.order.side, one.order.amount) for one in wanted}
    ran = run(wanted, market, seconds, clock)
    return judge(wanted, ran, Truth(market, sizes, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares the watcher with brute force.")
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=3_600)
    parser.add_argument("--seed", type=int, default=4, help="chooses market and orders")
    parser.add_argument("--postgres", action="store_true", help="the watcher on a real database instead of the replay")
    given = parser.parse_args()
    began = time.monotonic()
    if given.postgres:
        with a_server() as url:
            counted = check(given.orders, given.seconds, given.seed, partial(on_postgres, url=url))
    else:
        counted = check(given.orders, given.seconds, given.seed, replayed)
    for how, orders in counted.most_common():
        sys.stdout.write(f"{orders:>7}  {how}\n")
    sys.stdout.write(
        f"{given.orders} orders over {given.seconds} seconds, seed {given.seed}: none fired at another second than it "
        f"should have. {time.monotonic() - began:.0f} s, {time.process_time():.0f} of the processor's.\n"
    )


if __name__ == "__main__":
    main()
