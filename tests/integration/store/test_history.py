"""Pages of the order history on a real Postgres, against the fake as a model."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.postgres.history import PostgresHistory
from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.order import Failure, Order
from chalicelib.domain.quotes import VENUES
from chalicelib.domain.tokens import JUP, SOL, USDC
from chalicelib.domain.transitions import OrderStatus, Trigger
from chalicelib.ports.history import OrderFilter, Page
from tests.fakes import FakeClock, MemoryHistory, MemoryOrders, an_order
from tests.fakes.builders import RAYDIUM, an_id
from tests.fakes.postgres import claimed, step

START = datetime(2026, 11, 1, tzinfo=UTC)
USERS = ("ann", "bob", "ünï")


@pytest.fixture
def history(database: Database) -> PostgresHistory:
    return PostgresHistory(database)


def an_order_at(number: int, **changes: object) -> Order:
    """One order a second; several fall into the same millisecond now and then."""
    moment = START + timedelta(seconds=number - number % 3)
    order = an_order(order_id=an_id(moment))
    return replace(order, created_at=moment, updated_at=moment, **changes)  # type: ignore[arg-type]


@pytest.fixture
def twins(store: PostgresOrders) -> tuple[PostgresOrders, MemoryOrders]:
    """The same forty orders, in the database and in memory."""
    memory = MemoryOrders(FakeClock())
    for number in range(40):
        order = an_order_at(
            number,
            user_id=USERS[number % 3],
            client_order_id=f"c{number}" if number % 2 else None,
            output_token=JUP if number % 4 == 0 else USDC,
        )
        for one in (store, memory):
            one.insert(order, None)
    return store, memory


def pages(history: PostgresHistory, filters: OrderFilter, limit: int) -> Iterator[Page]:
    page = history.page(filters, limit=limit, before_id=None)
    yield page
    while page.last_id is not None:
        page = history.page(filters, limit=limit, before_id=page.last_id)
        yield page


order_filters = st.builds(
    OrderFilter,
    user_id=st.sampled_from([None, *USERS, "nobody"]),
    client_order_id=st.sampled_from([None, None, None, "c1", "c2"]),
    status=st.sampled_from([None, OrderStatus.PENDING, OrderStatus.FAILED]),
    venue=st.sampled_from([None, None, None, RAYDIUM]),
    input_token=st.sampled_from([None, SOL, USDC]),
    output_token=st.sampled_from([None, JUP, USDC, (JUP, USDC)]),
    placed_from=st.one_of(st.none(), st.integers(-5, 45).map(lambda seconds: START + timedelta(seconds=seconds))),
    placed_before=st.one_of(st.none(), st.integers(-5, 45).map(lambda seconds: START + timedelta(seconds=seconds))),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filters=order_filters, limit=st.integers(1, 50))
def test_pages_are_what_the_model_says(
    history: PostgresHistory, twins: tuple[PostgresOrders, MemoryOrders], filters: OrderFilter, limit: int
) -> None:
    model = MemoryHistory(twins[1])
    before: str | None = None
    for page in pages(history, filters, limit):
        assert page == model.page(filters, limit=limit, before_id=before)
        before = page.last_id


def test_by_venue_and_by_status(history: PostgresHistory, store: PostgresOrders) -> None:
    from tests.fakes import a_quote, a_route

    for venue in VENUES:
        moved = step(store, claimed(store), Trigger.START)
        step(store, moved, Trigger.CHOOSE_ROUTE, route=a_route(moved.order, a_quote(venue)))
    failure = Failure(ErrorCode.NO_QUOTE, "No.", retryable=True)
    failed = step(store, claimed(store), Trigger.FAIL, failure=failure)
    for venue in VENUES:
        (order,) = history.page(OrderFilter(venue=venue), limit=10, before_id=None).orders
        assert order.route is not None
        assert order.route.chosen.venue == venue
    found = history.page(OrderFilter(status=OrderStatus.FAILED), limit=10, before_id=None).orders
    assert found == (failed.order,)


def test_stage_times_are_what_the_model_says(history: PostgresHistory, store: PostgresOrders) -> None:
    memory = MemoryOrders(FakeClock())
    ids = []
    for number in range(3):
        moved = step(store, claimed(store), Trigger.START)
        if number:
            failure = Failure(ErrorCode.NO_QUOTE, "No.", retryable=True)
            step(store, moved, Trigger.FAIL, failure=failure)
        found = store.get(moved.order.id)
        memory.insert(found.order, None)
        memory.rows[found.order.id].events[:] = found.events
        ids.append(found.order.id)
    assert history.stage_times(ids) == MemoryHistory(memory).stage_times(ids)
    assert [time.stage for time in history.stage_times(ids)] == ["pending", "routing", "total"]
    assert history.stage_times([]) == ()
