"""The order store against its model: the fake of the unit tests and the real store answer random calls alike.

The calls of a seed are the same each time: what these find, they find in each run, which is nearly every fence that a
statement may lack. A lease that is not renewed, a delay that is not kept and what needs several connections stand in
the other files here.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg
import pytest

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.domain.errors import EngineError, ErrorCode, Fenced
from chalicelib.domain.events import Move, RoutingStarted, apply
from chalicelib.domain.order import Failure, History, Order
from chalicelib.domain.transitions import TRANSITIONS, WORKABLE, OrderStatus, Trigger
from chalicelib.ports.orders import Claimed, Held, Idempotency, Lease, Settled, Transition
from tests.fakes import FakeClock, MemoryOrders, a_transaction, an_event
from tests.fakes.builders import METEORA, RAYDIUM
from tests.fakes.postgres import PATH, fresh, move_deadlines

# Deadlines are 3, 5, 9, 15, 18, 21 and 45 s away and time jumps by multiples of 6 s: a deadline is past in both or in
# neither as long as a run takes less than the 3 s that lie between them.
START = RoutingStarted((RAYDIUM, METEORA))
LEASES = [Lease(f"{number:08d}-0000-0000-0000-000000000000", 9) for number in range(3)]
EXPIRY = datetime(2030, 1, 1, tzinfo=UTC)
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
NEXT = dict(zip((status for status in OrderStatus if status in WORKABLE), PATH, strict=True))
SEEDS = range(40)
CALLS = 60
Store = PostgresOrders | MemoryOrders


@dataclass(frozen=True)
class View:
    """How somebody last saw an order; `lease` is None for a client."""

    history: History
    lease: Lease | None

    @property
    def order(self) -> Order:
        return self.history.order


def known(order: Order) -> Order:
    """What must be equal in the store and in its model: everything but the times."""
    return replace(order, created_at=EXPIRY, updated_at=EXPIRY)


def picture(history: History) -> tuple[object, ...]:
    events = [(event.sequence, event.status, event.attempt, event.message, event.meta) for event in history.events]
    return known(history.order), events, history.followed, history.user_followed


class StoreAndModel:
    """Does the same to both and compares every answer, and everything that is stored after it.

    `plain` is the real store where `real` loses each first answer.
    """

    def __init__(
        self, chance: random.Random, connection: psycopg.Connection, real: PostgresOrders, plain: PostgresOrders
    ) -> None:
        self.chance, self.connection, self.real, self.plain = chance, connection, real, plain
        self.connection.execute("TRUNCATE orders, idempotency_keys, followed_users CASCADE")
        self.clock = FakeClock()
        self.model = MemoryOrders(self.clock, all_followed=False)
        self.views: list[View] = []

    def act(self) -> None:
        """One call, some time after the last: mostly a worker's, of somebody who may know an older picture only."""
        self.wait(self.chance.choices([0, 6, 12, 24, 48, 180_000], [8, 12, 3, 1, 1, 0.3])[0])
        if not self.views or self.chance.random() < 0.05:
            self.place()
        else:
            view = self.chance.choice(self.views[-7:])
            calls: dict[Callable[[View], None], float] = {
                self.claim: 6,
                self.work: 6,
                self.move: 6,
                self.save_signed_transaction: 4,
                self.give_up: 2,
                self.follow: 1,
                self.follow_user: 0.5,
                self.mark_published: 1,
                self.look_for_repairs: 3,
            }
            self.chance.choices([*calls], [*calls.values()])[0](view)
        self.check()

    def in_both(self, call: Callable[[Store], object]) -> object:
        """What both answer, or the error that both raise. What happens later has the later deadline."""
        self.clock.advance(0.001)
        answers: list[object] = []
        for store in (self.real, self.model):
            try:
                answers.append(call(store))
            except EngineError as error:
                answers.append((type(error), getattr(error, "order_id", None)))
        assert answers[0] == answers[1]
        return answers[0]

    def see(self, order: Order, lease: Lease | None) -> View:
        self.views.append(View(self.plain.get(order.id), lease))
        return self.views[-1]

    def place(self) -> None:
        order = fresh(user_id=self.chance.choice("ab"), client_order_id=self.chance.choice([None, None, "c"]))
        key = self.chance.choice([None, "k", "l"])
        idempotency = Idempotency(key, self.chance.choice("fg")) if key else None

        def insert(store: Store) -> object:
            earlier = store.insert(order, idempotency)
            return known(earlier) if isinstance(earlier, Order) else earlier and picture(earlier)

        self.in_both(insert)
        if order.id in self.model.rows:
            self.see(order, None)

    def follow(self, view: View) -> None:
        self.in_both(lambda store: picture(store.follow(view.order.id)))
        self.see(view.order, None)

    def follow_user(self, view: View) -> None:
        since, most = self.chance.choice([None, BEGINNING]), self.chance.choice([1, 100])

        def follow(store: Store) -> object:
            seen = store.follow_user(view.order.user_id, since, most_open=most, most_events=1_000)
            orders = {order_id: known(order) for order_id, order in seen.orders.items()}
            # Their clocks differ, and so may the order of their events.
            told = {(event.order_id, event.sequence, event.message) for event in seen.events}
            return [known(order) for order in seen.open], seen.more, seen.since, orders, told

        self.in_both(follow)

    def claim(self, view: View) -> None:
        lease, start = self.chance.choice(LEASES), self.chance.choice([None, START])
        waits: list[float] = []

        def claim(store: Store) -> object:
            match store.claim(view.order.id, lease, start):
                case Claimed(history, fruitless_claims, started):
                    return "claimed", picture(history), fruitless_claims, started
                case Settled(History() as history, published):
                    return "settled", picture(history), published
                case Held(seconds):
                    waits.append(seconds)
            return ("held",)

        answer = self.in_both(claim)
        assert not waits or abs(waits[0] - waits[1]) < 3
        if isinstance(answer, tuple) and answer[0] == "claimed":
            self.see(view.order, lease)

    def move(self, view: View) -> None:
        # A market order never rests; a client cancels, and does nothing else.
        legal = [trigger for status, trigger in TRANSITIONS if status is view.order.status]
        legal = [each for each in legal if each is Trigger.CANCEL or (view.lease and each is not Trigger.REST)]
        if legal:
            event = an_event(view.order, self.chance.choice(legal), self.chance.choice(["same", "other"]))
            self.advance(
                view, event, release=self.chance.random() < 0.3, retry_after_seconds=self.chance.choice([0, 0, 0, 3])
            )

    def work(self, view: View) -> None:
        """A part of a worker's turn."""
        for _ in range(self.chance.randint(1, 4)):
            order = view.order
            if view.lease is None or order.status not in NEXT:
                return
            if order.status is OrderStatus.BUILDING and order.transaction is None:
                view = self.sign(view, "s")
            else:
                view = self.advance(view, an_event(order, NEXT[order.status]))

    def advance(self, view: View, event: Move, *, release: bool = False, retry_after_seconds: int = 0) -> View:
        release = (
            view.lease is None or release or apply(view.order, event).status.is_terminal or retry_after_seconds > 0
        )
        transition = Transition(view.order, event, view.lease, release, retry_after_seconds)

        def advance(store: Store) -> object:
            # A cancel whose answer was lost cannot be told from another's: its sender looks at the order.
            asked = self.plain if store is self.real and view.lease is None else store
            return picture(asked.advance(view.history, transition))

        return view if self.in_both(advance) == (Fenced, None) else self.see(view.order, view.lease)

    def save_signed_transaction(self, view: View) -> None:
        for signature in self.chance.choices("st", k=2):
            view = self.sign(view, signature)

    def sign(self, view: View, signature: str) -> View:
        lease = view.lease or LEASES[0]
        self.in_both(lambda store: known(store.save_signed_transaction(view.order, a_transaction(signature), lease)))
        return self.see(view.order, view.lease)

    def give_up(self, view: View) -> None:
        lease, retry_after_seconds = view.lease or LEASES[0], self.chance.choice([0, 3])
        failure = Failure(ErrorCode.PROCESSING_FAILED, self.chance.choice(["one", "other"]), retryable=True)
        if self.chance.random() < 0.6:
            self.in_both(lambda store: store.release(view.order, lease, retry_after_seconds))
        else:
            self.in_both(lambda store: store.record_failure(view.order, lease, failure))

    def mark_published(self, view: View) -> None:
        self.in_both(lambda store: store.mark_published(view.order))

    def look_for_repairs(self, _: View) -> None:
        self.clock.advance(0.001)
        # All that are due: orders given out together become due together again, and any of them may come first then.
        # Whose answer is lost costs its orders a while; they are found again later.
        looks: list[Callable[[Store], object]] = [
            lambda store: (set((idle := store.idle(100, 45)).order_ids), idle.looked_at),
            lambda store: {history.order.id: picture(history) for history in store.unpublished(100)},
            lambda store: (store.count_open(), store.delete_expired_idempotency_keys()),
        ]
        for look in self.chance.sample(looks, len(looks)):
            assert look(self.plain) == look(self.model)

    def wait(self, seconds: int) -> None:
        if seconds:
            self.clock.advance(seconds)
            move_deadlines(self.connection, seconds)

    def check(self) -> None:
        """Both have the same."""
        rows = self.connection.execute(
            "SELECT id, lease_token::text, attention_at IS NULL, look_at IS NULL, coalesce(over, false)"
            " FROM orders LEFT JOIN order_attention ON order_id = id"
        ).fetchall()
        assert {row[0]: row[1:] for row in rows} == {
            order_id: (
                row.lease_token,
                row.attention_at is None,
                row.look_at is None,
                row.look_at is not None and row.is_only_told,
            )
            for order_id, row in self.model.rows.items()
        }
        for order_id in self.model.rows:
            assert picture(self.plain.get(order_id)) == picture(self.model.get(order_id))


@pytest.mark.parametrize("answers", ["arrive", "are lost once"])
def test_the_store_behaves_as_its_model(
    store: PostgresOrders, forgetful: PostgresOrders, database_url: str, answers: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for seed in SEEDS:
            both = StoreAndModel(
                random.Random(seed), connection, store if answers == "arrive" else forgetful, plain=store
            )
            for call in range(CALLS):
                try:
                    both.act()
                except AssertionError as error:
                    error.add_note(f"Seed {seed}, call {call}.")
                    raise
