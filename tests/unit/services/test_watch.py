"""The watcher: what a beat does in which order, and what is queued of a minute's beats."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import Order
from chalicelib.services.watch import Beat, beat, begin_minute, watch_on
from tests.fakes import CrashAt, Killed
from tests.fakes.resting import MemoryResting
from tests.fakes.resting_desk import MemoryDesk


def test_what_limits_leave_of_the_room_is_for_snipers(desk: MemoryDesk, room: Callable[[int], None]) -> None:
    room(6)
    desk.place_five()
    first, second = desk.snipe(), desk.snipe()
    desk.launch()
    assert beat(desk.watcher()) == Beat(fired=6)
    assert [desk.statuses(order)[-1] for order in sorted((first, second), key=lambda order: order.id)] == [
        "pending",
        "waiting",
    ]


def test_what_is_over_expires_before_anything_fires(desk: MemoryDesk) -> None:
    over = desk.place(expires_at=desk.clock.in_seconds(10))
    followed = desk.place("200", expires_at=desk.clock.in_seconds(10))
    stays = desk.place("200", expires_at=desk.clock.in_seconds(11))
    desk.store.follow(followed.id)
    desk.pass_time(10)
    desk.pays("170")
    assert beat(desk.watcher()) == Beat(expired=2)
    assert [desk.statuses(order)[-1] for order in (over, followed, stays)] == ["expired", "expired", "waiting"]
    assert desk.telemetry.total("OrdersExpired") == 2
    assert [sent.history.order.id for sent in desk.events.sent] == [followed.id]


def test_an_end_that_cannot_be_told_reconcile_tells(desk: MemoryDesk) -> None:
    orders = [desk.place(expires_at=desk.clock.in_seconds(10)) for _ in range(2)]
    for order in orders:
        desk.store.follow(order.id)
    desk.pass_time(12)
    desk.events.outage = True
    beat(desk.watcher())
    # Who finds the queue down does not try it again for each order.
    assert len(desk.telemetry.logged("publish_failed")) == 1
    desk.events.outage = False
    desk.pass_time(6)
    assert desk.reconcile() == 2
    assert {sent.history.order.id for sent in desk.events.sent} == {order.id for order in orders}


def test_only_a_whole_beat_counts_and_one_that_did_something_is_logged(desk: MemoryDesk) -> None:
    desk.store.outages.next_calls = ["count_fired"]
    with pytest.raises(Unavailable):
        beat(desk.watcher())
    assert (desk.resting.beat_at, desk.telemetry.total("WatcherBeats")) == (None, 0)
    beat(desk.watcher())
    assert (desk.resting.beat_at, desk.telemetry.total("WatcherBeats")) == (desk.clock.now(), 1)
    assert desk.telemetry.logged("watched") == []
    desk.place()
    desk.pays("170")
    beat(desk.watcher())
    assert len(desk.telemetry.logged("watched")) == 1


def test_what_fired_and_could_not_be_enqueued_reconcile_enqueues(desk: MemoryDesk) -> None:
    orders = desk.place_five()
    desk.queue.outage = True
    assert desk.beat() == 5
    assert desk.telemetry.total("EnqueueFailures") == 1
    desk.queue.outage = False
    desk.pass_time(16)
    assert desk.reconcile() == 5
    assert desk.queue.sent == [order.id for order in orders]


def test_a_watcher_that_dies_after_its_commit_loses_and_doubles_nothing(desk: MemoryDesk) -> None:
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
def test_killed_elsewhere_the_next_beat_goes_on(desk: MemoryDesk, point: str) -> None:
    order = desk.place()
    desk.pays("170")
    with pytest.raises(Killed):
        beat(desk.watcher(crash=CrashAt(point)))
    expected = ["waiting"] if point == "after_crossing" else ["waiting", "pending"]
    assert desk.statuses(order) == expected
    desk.beat()
    assert desk.statuses(order) == ["waiting", "pending"]
    assert desk.queue.sent == [order.id]


def test_what_another_watcher_moves_meanwhile_is_not_sent_twice(desk: MemoryDesk) -> None:
    desk.place_five()

    class Slow(MemoryResting):
        def crossing(self, touches: Sequence[tuple[str, str, Decimal]], limit: int) -> Sequence[Order]:
            found = super().crossing(touches, limit)
            assert desk.beat() == 5
            return found

    assert beat(replace(desk.watcher(), resting=Slow(desk.store, desk.clock))) == Beat()
    assert len(desk.queue.sent) == 5
    assert desk.telemetry.total("TriggersFired") == 5


# A minute


def test_while_nobody_waits_a_minute_has_one_beat(desk: MemoryDesk) -> None:
    begin_minute(desk.watcher())
    assert desk.ticks.delays == []
    assert [(sample.metric, sample.value) for sample in desk.telemetry.samples] == [("OrdersResting", 0)]


def test_the_first_beat_queues_the_minutes_others_and_the_next_minutes_goes_on_where_they_end(
    desk: MemoryDesk,
) -> None:
    orders = [desk.place() for _ in range(2)]
    desk.pays("170")
    begin_minute(desk.watcher())
    assert desk.telemetry.total("OrdersResting") == 2
    assert [desk.statuses(order)[-1] for order in orders] == ["pending"] * 2
    # Placing had sent for the watcher: the seconds until it comes are counted as queued.
    assert desk.ticks.delays == list(range(4, 63))
    desk.pass_time(60)
    desk.ticks.delays.clear()
    watch_on(desk.watcher())
    # The first minute's reach into the second.
    assert desk.ticks.delays == list(range(3, 63))


def test_beats_are_as_far_apart_as_they_are_set(desk: MemoryDesk) -> None:
    watch_on(replace(desk.watcher(), interval=5))
    assert desk.ticks.delays == list(range(5, 62, 5))
    # After an outage of an hour nothing counts as queued.
    desk.pass_time(3600)
    desk.ticks.delays.clear()
    watch_on(desk.watcher())
    assert desk.ticks.delays == list(range(1, 63))


def test_beats_that_were_noted_are_queued_and_never_the_other_way_round(desk: MemoryDesk) -> None:
    desk.ticks.outage = True
    with pytest.raises(Unavailable):
        watch_on(desk.watcher())
    desk.ticks.outage = False
    desk.store.outages.next_calls = ["stay_awake"]
    with pytest.raises(Unavailable):
        watch_on(desk.watcher())
    watch_on(desk.watcher())
    assert desk.ticks.delays == [*range(1, 63), *range(1, 63)]
