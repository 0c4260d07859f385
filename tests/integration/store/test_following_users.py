"""Following all orders of a user: whoever comes second, a placed order, a move or the follower, sees the first."""

import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest

from chalicelib.adapters.postgres.following import EVENTS_SINCE, OPEN, OPEN_ORDERS
from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.domain.order import History
from chalicelib.domain.transitions import Trigger
from chalicelib.ports.orders import Claimed, UserSnapshot
from chalicelib.ports.queues import Opening
from chalicelib.services.posting import Postponed, Push
from chalicelib.services.push_opening import push_opening
from chalicelib.services.push_status import push_newest
from chalicelib.services.subscriptions import subscribe_to_user
from tests.fakes.postgres import (
    LEASE,
    PATH,
    advanced,
    count_of,
    fresh,
    let_time_pass,
    placed,
    row_of,
    step,
    uncommitted,
    waits_for_a_lock,
)
from tests.integration.store import world
from tests.integration.store.world import claimed_by_nobody_s_follower

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
USER = fresh().user_id


def follow(store: PostgresOrders, since: datetime | None = None, user_id: str = USER) -> UserSnapshot:
    return store.follow_user(user_id, since, most_open=100, most_events=500)


def test_a_follower_that_comes_while_an_order_is_being_placed_waits_and_sees_it(
    store: PostgresOrders, database_url: str
) -> None:
    order = fresh()
    with ThreadPoolExecutor(1) as threads:
        with uncommitted(database_url, lambda other: other.insert(order, None)) as stored:
            following = threads.submit(follow, store)
            waits_for_a_lock(database_url, following)
        assert stored is None
        assert [shown.id for shown in following.result(20).open] == [order.id]
    # From then on it is told as if it had been placed later.
    claim = store.claim(order.id, LEASE)
    assert isinstance(claim, Claimed)
    moved = step(store, claim.history, Trigger.START)
    assert (moved.followed, moved.user_followed) == (True, True)


def test_an_order_that_is_placed_while_a_mark_is_being_committed_waits_and_finds_it(
    store: PostgresOrders, database_url: str
) -> None:
    order = fresh()
    with ThreadPoolExecutor(1) as threads:
        with uncommitted(database_url, follow) as seen:
            placing = threads.submit(store.insert, order, None)
            waits_for_a_lock(database_url, placing)
            # Whose orders nobody follows waits for nobody.
            assert store.insert(fresh(user_id="somebody else"), None) is None
        assert seen.open == ()
        stored = placing.result(20)
    assert isinstance(stored, History)
    assert (stored.order.id, len(stored.events)) == (order.id, 1)


def test_the_mark_ends_for_orders_that_are_open_and_for_those_to_come(store: PostgresOrders, database_url: str) -> None:
    history = claimed_by_nobody_s_follower(store)
    follow(store)
    let_time_pass(database_url, 2 * 3600)
    history = step(store, history, Trigger.START)
    assert (history.followed, history.user_followed) == (True, True)
    assert isinstance(store.insert(fresh(), None), History)
    let_time_pass(database_url, 1800)
    assert not advanced(store, history, Trigger.CHOOSE_ROUTE).followed
    assert store.insert(fresh(), None) is None


def test_a_mark_is_written_once_for_all_who_come_within_a_quarter_of_an_hour(
    store: PostgresOrders, database_url: str
) -> None:
    order_id = placed(store, followed=False).order.id
    for minutes, is_written in [(0, True), (14, False), (2, True)]:
        let_time_pass(database_url, minutes * 60)
        before = row_of(database_url, order_id)["user_followed_until"]
        follow(store)
        assert (row_of(database_url, order_id)["user_followed_until"] != before) is is_written


def test_who_comes_while_the_mark_lasts_waits_for_nobody_and_misses_nothing(
    store: PostgresOrders, database_url: str
) -> None:
    follow(store)
    order = fresh()
    with uncommitted(database_url, lambda other: other.insert(order, None)) as stored:
        assert follow(store).open == ()
    # What the second one's snapshot lacks is told.
    assert isinstance(stored, History)


def test_marks_that_are_over_are_forgotten_by_and_by(store: PostgresOrders, database_url: str) -> None:
    for number in range(12):
        follow(store, user_id=f"other-{number}")
    let_time_pass(database_url, 9_001)
    follow(store)
    assert count_of(database_url, "followed_users") == 3
    follow(store, user_id="another")
    assert count_of(database_url, "followed_users") == 2


def test_a_snapshot_shows_the_newest_open_orders_and_the_newest_of_what_happened(store: PostgresOrders) -> None:
    histories = [placed(store, followed=False) for _ in range(5)]
    cancelled = step(store, histories[4], Trigger.CANCEL, None)
    store.insert(fresh(user_id="another"), None)
    seen = store.follow_user(USER, LONG_AGO, most_open=2, most_events=3)
    assert [order.id for order in seen.open] == [histories[3].order.id, histories[2].order.id]
    assert seen.more
    assert [event.order_id for event in seen.events] == [h.order.id for h in histories[3:]] + [cancelled.order.id]
    # What is left out happened up to here.
    assert seen.since == histories[2].events[0].occurred_at
    assert store.follow_user(USER, None, most_open=4, most_events=3).more is False


@pytest.mark.parametrize("statement", [OPEN_ORDERS, EVENTS_SINCE], ids=["open", "since"])
def test_a_snapshot_reads_little_however_many_orders_a_user_has(
    store: PostgresOrders, database_url: str, statement: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute(
            """
            WITH made AS (
                INSERT INTO orders (id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps,
                    status, attempt, sequence, created_at, updated_at, attention_at, error_code)
                SELECT 'ord_' || lpad(to_hex(n), 32, '0'), 'busy', 'w', 'SOL', 'USDC', 'sell', 1, 50,
                    CASE WHEN n % 600 = 0 THEN 'pending' ELSE 'failed' END, 1, 1, now(), now(), NULL, 'no_quote'
                FROM generate_series(1, 6000) AS n RETURNING id, user_id
            )
            INSERT INTO order_events (order_id, user_id, sequence, status, attempt, message, meta, occurred_at)
            SELECT id, user_id, 1, 'failed', 1, '', '{}', now() - interval '1 hour' FROM made
            """
        )
        connection.execute("ANALYZE")
        values = {"user_id": "busy", "open": OPEN, "orders": 101, "events": 501, "since": datetime.now(UTC)}
        connection.execute(statement, values)  # what is cached is not what is counted
        plan = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}".encode(), values).fetchone()
    assert plan is not None
    assert plan[0][0]["Plan"]["Shared Hit Blocks"] + plan[0][0]["Plan"]["Shared Read Blocks"] < 100


class World(world.World):
    """A client that follows a user connects between the steps of his order's life."""

    def __init__(self, store: PostgresOrders, threads: ThreadPoolExecutor) -> None:
        super().__init__(store, threads)
        self.order = fresh(user_id=uuid.uuid4().hex)
        self.opened = 0

    def life(self) -> Iterator[None]:
        """At first the order itself."""
        stored = self.store.insert(self.order, None)
        yield
        if isinstance(stored, History):
            self.tell(stored)
        yield
        claim = self.store.claim(self.order.id, LEASE)
        assert isinstance(claim, Claimed)
        yield from self.turn(claim.history)

    def connect(self, pauses: tuple[int, int], since: datetime | None) -> None:
        """Connects while life goes so many steps after the follower is stored and after the snapshot is read."""
        stored, read = pauses

        class Paused:
            def __init__(self, world: World) -> None:
                self._world = world

            def follow_user(
                self, user_id: str, since: datetime | None, *, most_open: int, most_events: int
            ) -> UserSnapshot:
                seen = self._world.store.follow_user(user_id, since, most_open=most_open, most_events=most_events)
                self._world.push(openings=False)
                self._world.work(read)
                self._world.push(openings=False)
                return seen

        def pause(name: str) -> None:
            self.work(stored)
            self.push(openings=False)

        subscribe_to_user(self.order.user_id, "c", since, ports=self.ports(Paused(self), pause))

    def push(self, *, openings: bool = True) -> None:
        """Pushes what is queued, one message after the other; what is postponed comes again behind the others."""
        waiting: deque[Push | Opening] = deque(self.events.pushes[self.pushed :])
        self.pushed = len(self.events.pushes)
        if openings:
            # Last: whatever is pushed before it has to wait.
            waiting.extend(self.events.openings[self.opened :])
            self.opened = len(self.events.openings)
        again = []
        while waiting:
            message = waiting.popleft()
            try:
                if isinstance(message, Opening):
                    push_opening([message], self.pusher)
                else:
                    push_newest([message], self.pusher)
            except Postponed as later:
                self.clock.advance(later.seconds)
                assert isinstance(message, Push)
                if openings:
                    waiting.append(message)
                else:
                    again.append(message)
            waiting.extend(self.events.pushes[self.pushed :])
            self.pushed = len(self.events.pushes)
        self.events.pushes += again

    @property
    def got(self) -> tuple[list[int], list[int]]:
        """What the snapshot said where it showed the order, and the sequences that came."""
        snapshot, *others = self.notifier.frames["c"]
        assert snapshot["type"] == "snapshot"
        assert {frame["type"] for frame in others} <= {"status"}
        return [order["sequence"] for order in snapshot["open"]], self.notifier.sequences("c")


@pytest.mark.parametrize("pushing", ["at once", "at the end"])
@pytest.mark.parametrize("since", [None, LONG_AGO], ids=["now", "from the start"])
def test_whenever_a_client_connects_it_gets_everything_once_and_in_order(
    store: PostgresOrders, pushing: str, since: datetime | None
) -> None:
    """Every interleaving of the ten steps of an order's life with the three of a client that connects."""
    steps = 2 * (len(PATH) + 1)
    interleavings = [
        (before, stored, read)
        for before in range(steps + 1)
        for stored in range(steps + 1 - before)
        for read in range(steps + 1 - before - stored)
        # What differs lies close together.
        if (stored <= 2 or stored == steps - before) and read <= 3
    ]
    snapshots = set()
    with ThreadPoolExecutor(2) as threads:
        for before, stored, read in interleavings:
            world = World(store, threads)
            world.work(before)
            world.connect((stored, read), since)
            if pushing == "at once":
                world.push()
            world.work(steps)
            world.push()
            shown, came = world.got
            first = 1 if since else (shown[0] if shown else 0) + 1
            # Whoever comes after the end and asks for nothing of before is told nothing.
            over = since is None and not shown and (before + stored) >= steps - 1
            assert came == ([] if over and not came else [1, 2, 3, 4, 5][first - 1 :]), (before, stored, read, shown)
            snapshots.add(tuple(shown))
    assert snapshots == {(), (1,), (2,), (3,), (4,)}
