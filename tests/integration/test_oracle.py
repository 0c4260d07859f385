"""The watcher on the simulated market against brute force: each order fires at the first second at which it may."""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

import pytest

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.adapters.postgres.resting import PostgresResting
from chalicelib.domain.limits import in_display_units, rounded
from chalicelib.domain.order import NewOrder, Order, OrderType, TimeInForce
from chalicelib.domain.quotes import Quote, Side
from chalicelib.domain.tokens import BONK, JUP, SOL, USDC
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.place_order import PlacingPorts, place_order
from chalicelib.services.watch import LOOK_AGAIN_SECONDS, MOST_FIRED, WatcherPorts, beat, usable_touch
from chalicelib.venues.simulation.market import SimulatedMarket
from tests.fakes import CrashAt, FakeClock, MemoryQueue, MemoryStatusEvents, MemoryTicks, RecordingTelemetry
from tests.fakes.market import a_market, watched
from tests.fakes.postgres import let_time_pass, open_database

# 10,000 orders over 3,600 seconds take an hour: ORACLE_ORDERS=10000 ORACLE_SECONDS=3600.
ORDERS = int(os.environ.get("ORACLE_ORDERS", "60"))
SECONDS = int(os.environ.get("ORACLE_SECONDS", "60"))
PAIRS = ((SOL, USDC), (USDC, SOL), (JUP, USDC), (BONK, SOL))
VOLATILITY = "3"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.close()


def a_limit_order(chance: random.Random, market: SimulatedMarket, at: datetime, user: str) -> NewOrder:
    """A limit up to 2 % above the market, of some pair, side and size."""
    pair, side = chance.choice(PAIRS), chance.choice(list(Side))
    counted = pair[0] if side is Side.SELL else pair[1]
    touch = in_display_units(max(market.touches(*pair, at).values()), *pair)
    away = 1 + Decimal(chance.randrange(1, 200)) / 10_000
    return NewOrder(
        user,
        "wallet",
        *pair,
        side,
        int(Decimal(10) ** (counted.decimals + chance.randrange(3))),
        0,
        order_type=OrderType.LIMIT,
        limit_price=(rounded(touch) * away).quantize(Decimal("1e-12")).normalize(),
        time_in_force=TimeInForce.GTC,
    )


def test_each_order_fires_at_the_first_second_that_pays_its_limit_for_its_full_size(
    database: Database, database_url: str
) -> None:
    chance = random.Random(4)
    start = datetime.now(UTC).replace(microsecond=0)
    clock = FakeClock(start)
    market = watched(a_market(clock, delay_scale=0, volatility=VOLATILITY, seed=chance.randrange(1000)))
    store, queue, telemetry = PostgresOrders(database), MemoryQueue(), RecordingTelemetry()
    placing = PlacingPorts(store, queue, market, MemoryTicks(), telemetry)
    orders: list[Order] = []
    while len(orders) < ORDERS:
        wanted = a_limit_order(chance, market, start, f"user-{len(orders) // 500}")
        placed = place_order(wanted, idempotency_key=None, ports=placing).order
        if placed.status is OrderStatus.WAITING:
            orders.append(placed)
    queue.sent.clear()
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
    fired: dict[str, int] = {}
    for second in range(SECONDS):
        before = len(queue.sent)
        beat(ports)
        assert len(queue.sent) - before <= MOST_FIRED
        fired |= dict.fromkeys(queue.sent[before:], second)
        clock.advance(1)
        let_time_pass(database_url, 1)

    @cache
    def touched(pair: tuple[str, str], second: int) -> bool:
        one, other = next((a, b) for a, b in PAIRS if (a.symbol, b.symbol) == pair)
        return usable_touch(one, other, start + timedelta(seconds=second), market) is not None

    def meets(order: Order, second: int) -> bool:
        guard = order.guard
        assert guard is not None
        quotes = market.preview(order.quote_request(), start + timedelta(seconds=second))
        return touched((order.input_token.symbol, order.output_token.symbol), second) and any(
            isinstance(quote, Quote) and guard.admits(quote) for quote in quotes
        )

    assert fired
    for order in orders:
        judge(order, fired.get(order.id), [second for second in range(SECONDS) if meets(order, second)])


def judge(order: Order, fired: int | None, met: list[int]) -> None:
    """Against all seconds at which the order might have fired.

    One that was looked at in vain a second before is looked at two seconds later, if its limit is still met then.
    """
    if fired is not None:
        assert fired in met, order
        assert not [second for second in met if second + LOOK_AGAIN_SECONDS <= fired and second + 1 in met], order
    else:
        assert not [second for second in met if second + 1 in met and second < SECONDS - LOOK_AGAIN_SECONDS], order
