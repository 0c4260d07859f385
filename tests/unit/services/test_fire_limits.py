"""Limit orders: which fire, at which price, in which order."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from chalicelib.domain.order import Order
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest
from chalicelib.domain.tokens import SOL, USDC
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.fire_limits import usable_touch
from chalicelib.services.watch import Beat, beat
from tests.fakes.builders import METEORA, ONE_SOL, RAYDIUM
from tests.fakes.clock import START
from tests.fakes.market import ScriptedMarket
from tests.fakes.resting import MemoryResting
from tests.fakes.resting_desk import MemoryDesk

SECOND = int(START.timestamp())


@pytest.mark.parametrize(
    ("prices", "usable"),
    [
        (("50", "100", "103"), True),
        (("100", "50", "103"), True),
        (("100", "100", "97"), True),
        (("50", "100", "103.01"), False),
        (("100", "50", "96.99"), False),
    ],
)
def test_a_price_counts_that_is_within_three_percent_of_one_of_the_two_seconds_before(
    prices: tuple[str, str, str], usable: bool
) -> None:
    market = ScriptedMarket({SECOND - 2 + number: price for number, price in enumerate(prices)}, usual=prices[-1])
    price = Fraction(prices[-1]) / 1000
    assert usable_touch(SOL, USDC, START, market) == (price if usable else None)


def test_where_nobody_trades_or_traded_there_is_no_price() -> None:
    class Silent(ScriptedMarket):
        def touches(self, *asked: object) -> dict[str, Fraction]:
            return {} if asked[-1] in silent else {RAYDIUM: Fraction(1), METEORA: Fraction(2)}

    silent: set[object] = set()
    one, two = START - timedelta(seconds=1), START - timedelta(seconds=2)
    assert usable_touch(SOL, USDC, START, Silent()) == 2
    for nobody, price in (({START}, None), ({one}, 2), ({one, two}, None)):
        silent = set(nobody)
        assert usable_touch(SOL, USDC, START, Silent()) == price


def test_a_single_bad_tick_is_passed_over_and_a_jump_is_confirmed(desk: MemoryDesk) -> None:
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


def test_a_beat_that_is_held_up_leaves_alone_what_came_to_rest_after_its_second(desk: MemoryDesk) -> None:
    early, late = desk.place(), desk.place()
    desk.pays("170")
    desk.clock.advance(0.5)

    class HeldUp(MemoryResting):
        def crossing(self, touches: Sequence[tuple[str, str, Decimal]], limit: int) -> Sequence[Order]:
            desk.clock.advance(0.5)
            desk.change(late, updated_at=desk.clock.now())
            return super().crossing(touches, limit)

    assert beat(replace(desk.watcher(), resting=HeldUp(desk.store, desk.clock))).fired == 1
    assert desk.queue.sent == [early.id]
    # The next one looks at it.
    assert desk.beat() == 1


@pytest.mark.parametrize(("after", "fires"), [("169.8", 0), ("170.1", 1)])
def test_a_price_that_came_and_went_while_nobody_looked_is_no_chance(desk: MemoryDesk, after: str, fires: int) -> None:
    desk.place()
    desk.pays("169.9", "170.4", "170.4", after, after)
    assert desk.beat() == 0
    desk.pass_time(4)
    assert desk.beat() == fires


def test_the_full_size_decides(desk: MemoryDesk) -> None:
    order = desk.place(amount=1_000 * ONE_SOL)
    desk.pays("170", "170", "170", "170.05")
    desk.market.full = dict.fromkeys(range(SECOND, SECOND + 3), "169.96") | {SECOND + 3: "170.01"}
    assert beat(desk.watcher()) == Beat(postponed=1)
    desk.pass_time(1)
    assert beat(desk.watcher()) == Beat()
    desk.pass_time(2)
    assert beat(desk.watcher()) == Beat(fired=1)
    assert desk.store.get(order.id).order.sequence == 2


@pytest.mark.parametrize(
    ("quotes", "price"),
    [
        # The best of those that are good enough, whichever comes first.
        ([("1700", "15"), ("1710", "15")], "171"),
        ([("1710", "15"), ("1700", "15")], "171"),
        # One that moves the market too far, and one below the limit.
        ([("1800", "15.01"), ("1700", "15")], "170"),
        ([("1800", "15.01"), ("1699.999999", "15")], None),
        ([], None),
    ],
)
def test_it_fires_at_the_best_quote_that_the_order_accepts(
    desk: MemoryDesk, monkeypatch: pytest.MonkeyPatch, quotes: list[tuple[str, str]], price: str | None
) -> None:
    order = desk.place()
    desk.pays("170")

    def preview(request: QuoteRequest, at: datetime) -> list[Quote | NoQuote]:
        return [
            Quote(RAYDIUM, request.amount, int(Decimal(out) * 10**6), 0, Decimal(impact), at) for out, impact in quotes
        ]

    monkeypatch.setattr(desk.market, "preview", preview)
    assert desk.beat() == (price is not None)
    trigger = desk.store.get(order.id).events[-1].meta.get("trigger")
    assert (trigger["price"] if isinstance(trigger, dict) else None) == price


def test_a_firing_tells_how_late_it_came(desk: MemoryDesk) -> None:
    order = desk.place()
    desk.pays("170")
    desk.clock.advance(0.2507)
    assert desk.beat() == 1
    trigger = desk.store.get(order.id).events[-1].meta["trigger"]
    assert isinstance(trigger, dict)
    assert (trigger["at"], trigger["latencyMs"]) == ("2026-11-22T18:00:00.000Z", 250)
    assert desk.telemetry.total("TriggerLatencyMs") == 250
    assert desk.telemetry.total("TriggersFired", kind="price") == 1


def test_pairs_take_turns_where_there_is_no_room_for_all(desk: MemoryDesk, room: Callable[[int], None]) -> None:
    room(1)
    for _ in range(2):
        desk.market.usual = "169"
        desk.place("170")
        desk.market.usual = "190"
        desk.place("0.0055", input_token=USDC, output_token=SOL, amount=10**9)
    desk.market.usual = "175"
    turns = []
    for _ in range(3):
        assert desk.beat() == 1
        fired = desk.store.get(desk.queue.sent[-1]).order
        turns.append(fired.input_token)
        desk.change(fired, status=OrderStatus.ROUTING)
        desk.pass_time(1)
    assert turns == [SOL, USDC, SOL]


def test_a_token_that_was_delisted_stops_nobody_else(desk: MemoryDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.place()
    desk.pays("170")
    delisted = [("GONE", "USDC"), ("SOL", "GONE"), ("SOL", "USDC")]
    monkeypatch.setattr(desk.resting, "pairs", lambda: delisted)
    assert desk.beat() == 1


def test_it_fires_by_price_then_time_and_no_more_than_workers_can_take(
    desk: MemoryDesk, room: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    room(3)
    orders = desk.place_five()
    limits: list[int] = []
    crossing = desk.resting.crossing

    def read(touches: Sequence[tuple[str, str, Decimal]], limit: int) -> Sequence[Order]:
        limits.append(limit)
        return crossing(touches, limit)

    monkeypatch.setattr(desk.resting, "crossing", read)
    assert desk.beat() == 3
    assert desk.queue.sent == [order.id for order in orders[:3]]
    assert desk.telemetry.total("FireBacklog") == 0
    assert beat(desk.watcher()) == Beat()
    assert desk.telemetry.total("FireBacklog") == 3
    # What gets a worker makes room.
    desk.change(desk.store.get(orders[0].id).order, status=OrderStatus.ROUTING)
    assert desk.beat() == 1
    assert desk.queue.sent == [order.id for order in orders[:4]]
    # No more is read than there is room for.
    assert limits == [3, 1]


def test_two_watchers_fire_no_more_together_than_one(desk: MemoryDesk, room: Callable[[int], None]) -> None:
    room(3)
    desk.place_five()

    class Late(MemoryResting):
        def pairs(self) -> Sequence[tuple[str, str]]:
            assert desk.beat() == 3
            return super().pairs()

    assert beat(replace(desk.watcher(), resting=Late(desk.store, desk.clock))) == Beat()
    assert len(desk.queue.sent) == 3
