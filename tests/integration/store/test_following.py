"""Only followed orders are told: the mark and a move are ordered by the order's row, so that nobody misses anything."""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.domain.order import History
from chalicelib.domain.transitions import Trigger
from chalicelib.ports.orders import UserSnapshot
from chalicelib.services.cancel_order import cancel_order
from chalicelib.services.push_status import push_newest
from chalicelib.services.subscriptions import subscribe
from tests.fakes import MemoryStatusEvents, RecordingTelemetry
from tests.fakes.postgres import PATH, advanced, at_once, let_time_pass, row_of, step, uncommitted, waits_for_a_lock
from tests.integration.store import world
from tests.integration.store.world import claimed_by_nobody_s_follower

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
TWO_AND_A_HALF_HOURS = 9_000


def test_the_mark_lasts_longer_than_a_connection_and_ends(store: PostgresOrders, database_url: str) -> None:
    history = claimed_by_nobody_s_follower(store)
    store.follow(history.order.id)
    let_time_pass(database_url, 2 * 3600)
    history = advanced(store, history, Trigger.START)
    assert history.followed
    let_time_pass(database_url, TWO_AND_A_HALF_HOURS - 2 * 3600)
    assert not advanced(store, history, Trigger.CHOOSE_ROUTE).followed


def test_a_mark_is_renewed_for_a_connection_that_would_outlast_it_and_else_not_written(
    store: PostgresOrders, database_url: str
) -> None:
    order_id = claimed_by_nobody_s_follower(store).order.id
    store.follow(order_id)
    first = row_of(database_url, order_id)["followed_until"]
    store.follow(order_id)
    assert row_of(database_url, order_id)["followed_until"] == first
    let_time_pass(database_url, 16 * 60)
    store.follow(order_id)
    assert row_of(database_url, order_id)["followed_until"] >= first  # type: ignore[operator]


def test_following_an_order_that_is_over_writes_nothing(store: PostgresOrders, database_url: str) -> None:
    history = claimed_by_nobody_s_follower(store)
    history = step(store, history, Trigger.FAIL)
    assert store.follow(history.order.id) == history
    assert row_of(database_url, history.order.id)["followed_until"] is None


def follow_order(store: PostgresOrders, history: History) -> History:
    return store.follow(history.order.id)


def follow_user(store: PostgresOrders, history: History) -> UserSnapshot:
    return store.follow_user(history.order.user_id, LONG_AGO, most_open=100, most_events=500)


Follow = Callable[[PostgresOrders, History], History | UserSnapshot]
in_each_way = pytest.mark.parametrize("follow", [follow_order, follow_user])


@in_each_way
@pytest.mark.parametrize("trigger", [Trigger.START, Trigger.FAIL])
def test_a_follower_that_comes_while_a_move_is_being_committed_waits_and_sees_it(
    store: PostgresOrders, database_url: str, trigger: Trigger, follow: Follow
) -> None:
    history = claimed_by_nobody_s_follower(store)
    with ThreadPoolExecutor(1) as threads:
        with uncommitted(database_url, lambda other: step(other, history, trigger)) as moved:
            following = threads.submit(follow, store, history)
            waits_for_a_lock(database_url, following)
        assert not moved.followed
        seen = following.result(20)
    assert [event.sequence for event in seen.events] == [1, 2]
    if isinstance(seen, UserSnapshot):
        assert len(seen.open) == (0 if moved.order.status.is_terminal else 1)
    order = seen.orders[history.order.id] if isinstance(seen, UserSnapshot) else seen.order
    assert order.status is moved.order.status


@in_each_way
@pytest.mark.parametrize("trigger", [Trigger.START, Trigger.FAIL])
def test_a_move_that_comes_while_a_mark_is_being_committed_waits_and_finds_it(
    store: PostgresOrders, database_url: str, trigger: Trigger, follow: Follow
) -> None:
    history = claimed_by_nobody_s_follower(store)
    with ThreadPoolExecutor(1) as threads:
        with uncommitted(database_url, lambda other: follow(other, history)) as seen:
            move = threads.submit(step, store, history, trigger)
            waits_for_a_lock(database_url, move)
        assert len(seen.events) == 1
        moved = move.result(20)
    assert (moved.followed, moved.user_followed) == (True, follow is follow_user)


def test_a_second_follower_that_needs_no_mark_of_its_own_misses_nothing(
    store: PostgresOrders, database_url: str
) -> None:
    """It reads without waiting: what is being committed meanwhile found the first one's mark, and is told."""
    history = claimed_by_nobody_s_follower(store)
    store.follow(history.order.id)
    with uncommitted(database_url, lambda other: step(other, history, Trigger.START)) as moved:
        assert len(store.follow(history.order.id).events) == 1
    assert moved.followed


class World(world.World):
    """A client connects to an order between the steps of its worker."""

    def __init__(self, store: PostgresOrders, threads: ThreadPoolExecutor) -> None:
        super().__init__(store, threads)
        self.history = claimed_by_nobody_s_follower(store)
        self.order_id = self.history.order.id

    def life(self) -> Iterator[None]:
        yield from self.turn(self.history)

    def connect(self, pauses: tuple[int, int], *, name: str = "c") -> None:
        """Connects while the worker goes so many steps after the follower is stored and after the history is read."""
        stored, read = pauses

        class Paused:
            def __init__(self, world: World) -> None:
                self._world = world

            def follow(self, order_id: str) -> History:
                history = self._world.store.follow(order_id)
                self._world.work(read)
                return history

        ports = self.ports(Paused(self), lambda _: self.work(stored))
        subscribe(self.order_id, name, 0, ports=ports)

    def push(self) -> None:
        """Pushes what is queued, one message after the other."""
        for push in self.events.pushes[self.pushed :]:
            push_newest([push], self.pusher)
        self.pushed = len(self.events.pushes)


@pytest.mark.parametrize("pushing", ["at once", "at the end"])
def test_whenever_a_client_connects_it_gets_everything_once_and_in_order(store: PostgresOrders, pushing: str) -> None:
    """Every interleaving of a worker's eight steps with the three of a client that connects, on the real store."""
    steps = 2 * len(PATH)
    interleavings = [
        (before, stored, read)
        for before in range(steps + 1)
        for stored in range(steps + 1 - before)
        for read in range(steps + 1 - before - stored)
    ]
    assert len(interleavings) == 165
    told = set()
    with ThreadPoolExecutor(2) as threads:
        for before, stored, read in interleavings:
            world = World(store, threads)
            world.work(before)
            world.connect((stored, read))
            if pushing == "at once":
                world.push()
            world.work(steps)
            world.push()
            assert world.notifier.sequences("c") == [1, 2, 3, 4, 5], (before, stored, read)
            told.add(len(world.events.pushes))
    # From the one message of a client that comes after the end, to one more for each move.
    assert told == {1, 2, 3, 4, 5}


def test_two_clients_that_connect_at_any_two_moments_get_everything_once(store: PostgresOrders) -> None:
    steps = 2 * len(PATH)
    with ThreadPoolExecutor(2) as threads:
        for first, then in itertools.product(range(steps + 1), range(3)):
            world = World(store, threads)
            world.work(first)
            world.connect((1, 0), name="a")
            world.work(then)
            world.connect((0, 1), name="b")
            world.work(steps)
            world.push()
            for name in "ab":
                assert world.notifier.sequences(name) == [1, 2, 3, 4, 5], (first, then, name)


def test_a_mark_that_is_made_after_the_history_was_read_would_come_too_late(
    store: PostgresOrders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the interleavings above do tell whether the mark is made where it has to be."""

    follow = store.follow
    monkeypatch.setattr(store, "follow", store.get)
    with ThreadPoolExecutor(2) as threads:
        world = World(store, threads)
        world.connect((0, 8))
        follow(world.order_id)
        world.push()
    assert world.notifier.sequences("c") == [1]


def test_two_cancels_at_once_end_the_order_once_and_both_get_it(store: PostgresOrders) -> None:
    for _ in range(5):
        order_id = claimed_by_nobody_s_follower(store).order.id
        store.follow(order_id)
        events, telemetry = MemoryStatusEvents(), RecordingTelemetry()
        read = threading.Barrier(2)

        class Together:
            """Lets both read the order before either writes."""

            def __init__(self) -> None:
                self._reads = itertools.count()

            def get(self, wanted: str, together: threading.Barrier = read) -> History:
                history = store.get(wanted)
                if next(self._reads) == 0:
                    together.wait(10)
                return history

            def __getattr__(self, name: str) -> object:
                return getattr(store, name)

        def cancel(_: int) -> History:
            return cancel_order(order_id, store=Together(), events=events, telemetry=telemetry)  # type: ignore[arg-type] # noqa: B023

        answers = at_once(2, cancel)
        assert answers[0] == answers[1] == store.get(order_id)
        assert [event.status for event in answers[0].events] == ["pending", "cancelled"]
        assert telemetry.total("OrdersCancelled") == 1
        assert len(events.sent) == 1


def test_a_cancel_whose_answer_was_lost_is_told_all_the_same(
    store: PostgresOrders, forgetful: PostgresOrders, database_url: str
) -> None:
    order_id = claimed_by_nobody_s_follower(store).order.id
    store.follow(order_id)
    events = MemoryStatusEvents()
    cancelled = cancel_order(order_id, store=forgetful, events=events, telemetry=RecordingTelemetry())
    assert cancelled == store.get(order_id)
    assert [sent.history for sent in events.sent] == [cancelled]
    assert row_of(database_url, order_id)["attention_at"] is None
