"""What fires when, and who fires it."""

import threading
from dataclasses import replace
from typing import Any

import psycopg

from chalicelib.adapters.postgres.pool import Database
from chalicelib.adapters.postgres.resting import PostgresResting
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.firing import MOST_FIRED
from chalicelib.services.watch import beat, watch_on
from tests.fakes.postgres import open_database, row_of
from tests.integration.resting.desk import DatabaseDesk


def test_a_resting_order_has_nobodys_attention(desk: DatabaseDesk) -> None:
    order = desk.place()
    assert row_of(desk.url, order.id)["attention_at"] is None
    desk.pass_time(60)
    assert desk.reconcile() == 0
    assert desk.queue.sent == []


def test_it_fires_at_the_second_that_pays_its_limit(desk: DatabaseDesk) -> None:
    order = desk.place()
    desk.pays("169", "169.99", "170")
    fired = []
    for _ in range(3):
        fired.append(desk.beat())
        desk.pass_time(1)
    assert fired == [0, 0, 1]
    history = desk.store.get(order.id)
    assert (history.order.status, history.order.sequence, history.order.fires) == (OrderStatus.PENDING, 2, 1)
    assert desk.queue.sent == [order.id]
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "building", "submitted", "confirmed"]


def test_two_watchers_move_each_order_once(desk: DatabaseDesk) -> None:
    orders = [desk.place() for _ in range(100)]
    desk.pays("170")
    other = open_database(desk.url)
    together = threading.Barrier(2)
    fired = []

    def look(database: Database) -> None:
        together.wait(10)
        fired.append(beat(replace(desk.watcher(), resting=PostgresResting(database))).fired)

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


def test_a_crash_through_many_limits_fires_by_price_then_time_and_never_more_than_the_room(
    desk: DatabaseDesk,
) -> None:
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


def test_two_watchers_fire_no_more_together_than_one(desk: DatabaseDesk) -> None:
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


def test_the_first_order_to_rest_sends_for_the_watcher_and_the_others_do_not(desk: DatabaseDesk) -> None:
    desk.place()
    assert desk.ticks.wakes == 1
    watch_on(desk.watcher())
    for _ in range(5):
        desk.place()
    assert desk.ticks.wakes == 1


def test_what_is_noted_of_beats_never_goes_back(desk: DatabaseDesk) -> None:
    now, earlier = desk.clock.now(), desk.clock.in_seconds(-1)
    assert desk.resting.last_beat() is None
    for moment in (now, earlier):
        desk.resting.note_beat(moment)
        desk.resting.stay_awake(moment)
    assert (desk.resting.last_beat(), desk.resting.awake_until()) == (now, now)
