"""What fires when, and who fires it."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from chalicelib.adapters.postgres.pool import Database
from chalicelib.adapters.postgres.resting import PostgresResting
from chalicelib.domain.order import Order
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.firing import MOST_FIRED
from chalicelib.services.watch import beat, begin_minute, watch_on
from tests.fakes import CrashAt, Killed
from tests.fakes.builders import ONE_SOL
from tests.fakes.postgres import open_database, row_of
from tests.fakes.resting_desk import Desk


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


def test_a_beat_that_is_held_up_leaves_alone_what_came_to_rest_after_its_second(desk: Desk) -> None:
    early, late = desk.place(), desk.place()
    desk.pays("170")

    class HeldUp(PostgresResting):
        def crossing(self, touches: Sequence[tuple[str, str, Decimal]], limit: int) -> Sequence[Order]:
            desk.pass_time(1)
            with psycopg.connect(desk.url) as connection:
                connection.execute("UPDATE orders SET updated_at = %s WHERE id = %s", (desk.clock.now(), late.id))
            return super().crossing(touches, limit)

    assert beat(replace(desk.watcher(), resting=HeldUp(desk.database))).fired == 1
    assert desk.queue.sent == [early.id]
    # The next one looks at it.
    assert desk.beat() == 1


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


def test_case_25_two_watchers_fire_no_more_together_than_one(desk: Desk) -> None:
    """One counts, the other fires all that there is room for, and then the first goes on."""
    for _ in range(MOST_FIRED + 50):
        desk.place()
    desk.pays("170")
    other = replace(desk.market)
    touches = desk.market.touches
    fired: list[int] = []

    def late_touches(*asked: Any) -> Any:
        if not fired:
            fired.append(beat(replace(desk.watcher(), market=other)).fired)
        return touches(*asked)

    desk.market.touches = late_touches  # type: ignore[method-assign, assignment]
    fired.append(desk.beat())
    assert fired == [MOST_FIRED, 0]
    assert len(desk.queue.sent) == MOST_FIRED


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
