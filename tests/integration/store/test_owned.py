"""What an owner's calls reach in a real Postgres: his orders, and not a trace of another's."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.owned import PostgresOwnedHistory, PostgresOwnedOrders, statements
from chalicelib.adapters.postgres.pool import Database
from chalicelib.domain.errors import ClientOrderIdTaken, EngineError, Fenced, IdempotencyKeyReused, OrderNotFound
from chalicelib.domain.events import OrderCancelled
from chalicelib.domain.identity import Owner
from chalicelib.domain.order import Order
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.history import OrderFilter
from chalicelib.ports.orders import Idempotency, Lease, Transition
from tests.fakes.postgres import fresh

ANN, BOB, NOBODY = Owner("ann"), Owner("bob"), Owner(None)


@pytest.fixture
def owned(database: Database) -> PostgresOwnedOrders:
    return PostgresOwnedOrders(database)


def cancelling(order: Order) -> Transition:
    return Transition(order, OrderCancelled(), lease=None, release=True)


@pytest.mark.parametrize("name", statements())
def test_every_statement_names_the_owner(name: str) -> None:
    sql = statements()[name]
    assert "%(user_id)s" not in sql
    if name == "insert":
        # As the value of the column, in both tables that are written; the event has it from the order.
        assert sql.count("%(owner)s") == len(re.findall(r"INSERT INTO (?:orders|idempotency_keys) ", sql)) == 2
        assert "SELECT id, user_id, 1, status" in sql
    else:
        assert "user_id = %(owner)s" in sql


def test_an_order_belongs_to_its_owner_whatever_it_says(owned: PostgresOwnedOrders, store: PostgresOrders) -> None:
    order = fresh(user_id="bob")
    assert owned.of(ANN).insert(order, None) is None
    assert store.get(order.id).order.user_id == "ann"


@pytest.mark.parametrize("other", [BOB, NOBODY, Owner("Ann"), Owner("ann "), Owner("ａnn"), Owner("%")])
def test_another_s_order_is_as_one_that_never_was(
    owned: PostgresOwnedOrders, store: PostgresOrders, other: Owner
) -> None:
    order = fresh(user_id="ann", client_order_id="c")
    owned.of(ANN).insert(order, Idempotency("k", "f"))
    history = owned.of(ANN).get(order.id)
    assert len(history.events) == 1
    never = replace(order, id=f"{order.id[:-4]}ffff")

    calls: list[Callable[[Order], object]] = [
        lambda order: owned.of(other).get(order.id),
        lambda order: owned.of(other).follow(order.id),
        lambda order: owned.of(other).advance(replace(history, order=order), cancelling(order)),
        lambda order: owned.of(other).mark_published(order),
    ]
    for call in calls:
        answers: list[object] = []
        for one in (order, never):
            try:
                answers.append(call(one))
            except EngineError as error:
                answers.append((type(error), str(error).replace(one.id, "ID")))
        assert answers[0] == answers[1]
    assert store.get(order.id) == history
    assert not store.advance(history, cancelling(history.order)).followed


def test_who_cancels_must_be_the_owner(owned: PostgresOwnedOrders, store: PostgresOrders) -> None:
    order = fresh(user_id="ann")
    owned.of(ANN).insert(order, None)
    history = owned.of(ANN).follow(order.id)
    for other in (BOB, NOBODY):
        with pytest.raises(Fenced):
            owned.of(other).advance(history, cancelling(history.order))
    cancelled = owned.of(ANN).advance(history, cancelling(history.order))
    assert cancelled.order.status is OrderStatus.CANCELLED
    assert owned.of(ANN).get(order.id) == cancelled
    for owner, left in ((BOB, 1), (ANN, 0)):
        owned.of(owner).mark_published(cancelled.order)
        assert len(store.unpublished(10)) == 0  # not due yet
        assert store.claim(order.id, _lease()).published is (left == 0)  # type: ignore[union-attr]


def test_keys_and_client_order_ids_are_each_owner_s_own(owned: PostgresOwnedOrders) -> None:
    first = fresh(user_id="ann", client_order_id="c")
    owned.of(ANN).insert(first, Idempotency("k", "f"))
    # The same key, the same client order id: another's are as free as if nobody had used them.
    second = fresh(user_id="ann", client_order_id="c")
    assert owned.of(BOB).insert(second, Idempotency("k", "g")) is None
    with pytest.raises(IdempotencyKeyReused):
        owned.of(ANN).insert(fresh(), Idempotency("k", "g"))
    with pytest.raises(ClientOrderIdTaken) as taken:
        owned.of(BOB).insert(fresh(client_order_id="c"), None)
    assert taken.value.order_id == second.id
    with pytest.raises(OrderNotFound):
        owned.of(BOB).get(first.id)


def test_nobody_owns_nothing(owned: PostgresOwnedOrders, database: Database) -> None:
    with pytest.raises(Exception, match="user_id"):
        owned.of(NOBODY).insert(fresh(), None)
    owned.of(ANN).insert(fresh(), None)
    page = PostgresOwnedHistory(database).page(NOBODY, OrderFilter(), limit=10, before_id=None)
    assert page.orders == ()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    filters=st.builds(
        OrderFilter,
        user_id=st.sampled_from([None, "ann", "bob", "nobody"]),
        client_order_id=st.sampled_from([None, None, "c1", "c2"]),
        status=st.sampled_from([None, OrderStatus.PENDING, OrderStatus.FAILED]),
    ),
    limit=st.integers(1, 5),
)
def test_a_page_has_the_owner_s_orders_only(
    database: Database, owned: PostgresOwnedOrders, filters: OrderFilter, limit: int
) -> None:
    history = PostgresOwnedHistory(database)
    if not history.page(ANN, OrderFilter(), limit=1, before_id=None).orders:
        for number in range(12):
            owned.of((ANN, BOB)[number % 2]).insert(fresh(client_order_id=f"c{number // 4}-{number}"), None)
        for owner in (ANN, BOB):
            owned.of(owner).insert(fresh(client_order_id="c1"), None)
    for owner in (ANN, BOB):
        page = history.page(owner, filters, limit=limit, before_id=None)
        assert {order.user_id for order in page.orders} <= {owner.subject}
        mine = history.page(owner, replace(filters, user_id=owner.subject), limit=limit, before_id=None)
        assert page == mine
        if filters.client_order_id == "c1" and filters.status is not OrderStatus.FAILED:
            assert len(page.orders) == 1
            # Nobody else's entries are looked at, so none of their ids is a place to go on from.
            assert page.last_id is None


def test_stage_times_are_of_the_owner_s_orders_only(database: Database, owned: PostgresOwnedOrders) -> None:
    order = fresh()
    owned.of(ANN).insert(order, None)
    placed = owned.of(ANN).get(order.id)
    owned.of(ANN).advance(placed, cancelling(placed.order))
    history = PostgresOwnedHistory(database)
    assert [time.stage for time in history.stage_times(ANN, [order.id])] == ["pending", "total"]
    assert history.stage_times(BOB, [order.id]) == history.stage_times(NOBODY, [order.id]) == ()


def _lease() -> Lease:
    return Lease("00000000-0000-0000-0000-000000000000", 9)
