"""The order store against its model: the fake of the unit tests and the real store answer random calls alike.

Each run tries 25 sequences of up to 40 calls, and so finds a difference only where some of them meet it; runs differ.
`--hypothesis-profile thorough` tries 500. What must hold for certain stands in the other files of this folder.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.domain.errors import EngineError, ErrorCode, Fenced
from chalicelib.domain.events import RoutingStarted, apply
from chalicelib.domain.order import Failure, History, Order
from chalicelib.domain.transitions import TRANSITIONS, Trigger
from chalicelib.services.ports import Claimed, Held, Idempotency, Lease, OrderStore, Settled, Transition, UserSnapshot
from tests.fakes import FakeClock, MemoryOrders, a_transaction, an_event
from tests.fakes.builders import METEORA, RAYDIUM
from tests.fakes.postgres import fresh, move_deadlines

# Deadlines are 3, 5, 9, 15, 18, 21 and 45 s away and time jumps by multiples of 6 s: a deadline is past in both or in
# neither as long as a run takes less than the 3 s that lie between them.
START = RoutingStarted((RAYDIUM, METEORA))
LEASES = [Lease(f"{number:08d}-0000-0000-0000-000000000000", 9) for number in range(3)]
EXPIRY = datetime(2030, 1, 1, tzinfo=UTC)
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class View:
    """How somebody last saw an order; `lease` is None for a client."""

    history: History
    lease: Lease | None


def known(order: Order) -> tuple[object, ...]:
    """What must be equal in the store and in its model: everything but the times."""
    return (replace(order, created_at=EXPIRY, updated_at=EXPIRY),)


def picture(history: History) -> tuple[object, ...]:
    events = [(event.sequence, event.status, event.attempt, event.message, event.meta) for event in history.events]
    return (*known(history.order), events, history.followed, history.user_followed)


def told_of(snapshot: UserSnapshot) -> set[tuple[str, int, str]]:
    """The clocks of the two differ, and so may the order of their events."""
    return {(event.order_id, event.sequence, event.message) for event in snapshot.events}


def answer_of(store: OrderStore, transition: Transition, history: History) -> object:
    try:
        return picture(store.advance(history, transition))
    except EngineError as error:
        return type(error)


class StoreAndModel(RuleBasedStateMachine):
    """Does the same to both and compares every answer, and everything that is stored after it."""

    views = Bundle("views")

    connection: psycopg.Connection
    real: PostgresOrders
    plain: PostgresOrders

    def __init__(self) -> None:
        super().__init__()
        self.connection.execute("DELETE FROM order_events")
        self.connection.execute("DELETE FROM orders")
        self.connection.execute("DELETE FROM idempotency_keys")
        self.connection.execute("DELETE FROM followed_users")
        self.clock = FakeClock()
        self.model = MemoryOrders(self.clock, all_followed=False)
        self.ids: list[str] = []

    def tick(self) -> None:
        """What happens later has the later deadline, in the model too."""
        self.clock.advance(0.001)

    @rule(
        target=views,
        user=st.sampled_from("ab"),
        key=st.sampled_from([None, "k", "l"]),
        fingerprint=st.sampled_from("fg"),
        client_order_id=st.sampled_from([None, None, "c"]),
    )
    def place(self, user: str, key: str | None, fingerprint: str, client_order_id: str | None) -> object:
        self.tick()
        order = fresh(user_id=user, client_order_id=client_order_id)
        idempotency = Idempotency(key, fingerprint) if key else None
        answers: list[object] = []
        for store in (self.real, self.model):
            try:
                earlier = store.insert(order, idempotency)
                answers.append(known(earlier) if isinstance(earlier, Order) else earlier and ["told", picture(earlier)])
            except EngineError as error:
                answers.append((type(error), getattr(error, "order_id", None)))
        assert answers[0] == answers[1]
        if isinstance(answers[0], tuple):
            return multiple()
        self.ids.append(order.id)
        return View(self.model.get(order.id), None)

    @rule(target=views, view=views)
    def look(self, view: View) -> View:
        return View(self.real.get(view.history.order.id), None)

    @rule(target=views, view=views)
    def follow(self, view: View) -> View:
        self.tick()
        real, model = (store.follow(view.history.order.id) for store in (self.real, self.model))
        assert picture(real) == picture(model)
        return View(real, None)

    @rule(user=st.sampled_from("ab"), most=st.sampled_from([1, 100]), from_the_start=st.booleans())
    def follow_user(self, user: str, most: int, from_the_start: bool) -> None:
        self.tick()
        since = BEGINNING if from_the_start else None
        real, model = (
            store.follow_user(user, since, most_open=most, most_events=1_000) for store in (self.real, self.model)
        )
        assert [known(order) for order in real.open] == [known(order) for order in model.open]
        assert (real.more, real.since) == (model.more, model.since)
        assert {order_id: known(order) for order_id, order in real.orders.items()} == {
            order_id: known(order) for order_id, order in model.orders.items()
        }
        assert told_of(real) == told_of(model)

    @rule(target=views, view=views, lease=st.sampled_from(LEASES), start=st.sampled_from([None, START]))
    def claim(self, view: View, lease: Lease, start: RoutingStarted | None) -> object:
        self.tick()
        order_id = view.history.order.id
        real, model = (store.claim(order_id, lease, start) for store in (self.real, self.model))
        assert type(real) is type(model), (real, model)
        match real, model:
            case Claimed(history=one), Claimed(history=other):
                assert picture(one) == picture(other)
                assert (real.fruitless_claims, real.started) == (model.fruitless_claims, model.started)
                return View(one, lease)
            case Settled(history=History() as one), Settled(history=History() as other):
                assert picture(one) == picture(other)
            case Held(seconds=one_wait), Held(seconds=other_wait):
                assert abs(one_wait - other_wait) < 3
        return multiple()

    @rule(
        target=views,
        view=consumes(views),
        trigger=st.sampled_from(Trigger),
        message=st.sampled_from(["same", "other"]),
        release=st.booleans(),
        resume_in=st.sampled_from([0, 0, 3]),
    )
    def move(self, view: View, trigger: Trigger, message: str, release: bool, resume_in: int) -> View:
        self.tick()
        order, lease = view.history.order, view.lease
        if lease is None:
            # A client cancels, nothing else, and takes the lease away.
            trigger, release, resume_in = Trigger.CANCEL, True, 0
        # A market order never rests.
        if (order.status, trigger) not in TRANSITIONS or trigger is Trigger.REST:
            return view
        event = an_event(order, trigger, message)
        release = release or apply(order, event).status.is_terminal or resume_in > 0
        transition = Transition(order, event, lease, release, resume_in)
        real, model = (answer_of(store, transition, view.history) for store in (self.real, self.model))
        if lease is None and self.real is not self.plain and isinstance(model, tuple):
            # A cancel whose answer was lost cannot be told from another's: its sender looks at the order.
            assert real is Fenced
            return View(self.real.get(order.id), None)
        assert real == model
        return View(self.real.get(order.id), lease) if isinstance(real, tuple) else view

    @rule(target=views, view=views, signature=st.sampled_from(["s", "t"]))
    def save_signed_transaction(self, view: View, signature: str) -> View:
        self.tick()
        order, lease = view.history.order, view.lease or LEASES[0]
        answers: list[object] = []
        for store in (self.real, self.model):
            try:
                answers.append(known(store.save_signed_transaction(order, a_transaction(signature), lease)))
            except EngineError as error:
                answers.append(type(error))
        assert answers[0] == answers[1]
        return View(self.real.get(order.id), view.lease)

    @rule(view=views, resume_in=st.sampled_from([0, 3]))
    def release(self, view: View, resume_in: int) -> None:
        self.tick()
        for store in (self.real, self.model):
            store.release(view.history.order, view.lease or LEASES[0], resume_in)

    @rule(view=views, message=st.sampled_from(["one", "other"]))
    def record_failure(self, view: View, message: str) -> None:
        self.tick()
        failure = Failure(ErrorCode.PROCESSING_FAILED, message, retryable=True)
        for store in (self.real, self.model):
            store.record_failure(view.history.order, view.lease or LEASES[0], failure)

    @rule(view=views)
    def mark_published(self, view: View) -> None:
        for store in (self.real, self.model):
            store.mark_published(view.history.order)

    @rule()
    def look_for_repairs(self) -> None:
        self.tick()
        # All that are due: orders given out together become due together again, and any of them may come first then.
        limit = 100
        # A lost answer costs the orders in it a while; they are found again later.
        found = [store.idle(limit, 45) for store in (self.plain, self.model)]
        assert set(found[0].order_ids) == set(found[1].order_ids)
        assert found[0].looked_at == found[1].looked_at
        real, model = self.plain.unpublished(limit), self.model.unpublished(limit)
        by_id = {history.order.id: picture(history) for history in real}
        assert by_id == {history.order.id: picture(history) for history in model}
        assert self.plain.count_open() == self.model.count_open()

    @rule()
    def delete_expired_idempotency_keys(self) -> None:
        for store in (self.real, self.model):
            store.delete_expired_idempotency_keys()

    @rule(seconds=st.sampled_from([6, 6, 48, 180_000]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)
        move_deadlines(self.connection, seconds)

    @invariant()
    def both_have_the_same(self) -> None:
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
        for order_id in self.ids:
            assert picture(self.real.get(order_id)) == picture(self.model.get(order_id))


@pytest.mark.parametrize("answers", ["arrive", "are lost once"])
def test_the_store_behaves_as_its_model(
    store: PostgresOrders, forgetful: PostgresOrders, database_url: str, answers: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as opened:

        class Machine(StoreAndModel):
            connection = opened
            real = store if answers == "arrive" else forgetful
            plain = store

        run_state_machine_as_test(
            Machine,
            settings=settings(
                # A sequence is some hundred statements.
                max_examples=25 if settings().max_examples < 1_000 else 500,
                stateful_step_count=40,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
