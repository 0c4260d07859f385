"""Rows that another version of the code wrote, among others: nothing that reads many is stopped by one."""

import psycopg
import pytest

from chalicelib.adapters.postgres.history import PostgresHistory
from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.domain.transitions import Trigger
from chalicelib.services.browse import OrderFilter
from chalicelib.services.views import history_view, order_view
from tests.fakes.postgres import claimed, let_time_pass, placed, step

STRANGE = {
    "a delisted token": "input_token = 'GONE'",
    "an unknown reason": "error_code = 'market_closed', error_message = 'Closed.', error_retryable = true",
    "an unreadable route": """route = '{"legs": []}'""",
}


@pytest.fixture
def strange(store: PostgresOrders, database_url: str, request: pytest.FixtureRequest) -> str:
    """An order that ended, was never told of, and whose row is strange; more stand before and behind it."""
    ends = [step(store, claimed(store), Trigger.CANCEL).order.id for _ in range(5)]
    with psycopg.connect(database_url) as connection:
        connection.execute(f"UPDATE orders SET {STRANGE[request.param]} WHERE id = %s".encode(), [ends[2]])
    return ends[2]


@pytest.mark.parametrize("strange", STRANGE, indirect=True)
def test_the_order_its_events_and_its_page_are_shown(database: Database, store: PostgresOrders, strange: str) -> None:
    page = PostgresHistory(database).page(OrderFilter(), limit=50, before_id=None)
    assert strange in [order_view(order)["id"] for order in page.orders]
    assert len(page.orders) == 5
    assert [event["sequence"] for event in history_view(store.get(strange))["events"]] == [1, 2]


@pytest.mark.parametrize("strange", STRANGE, indirect=True)
def test_its_end_is_told_with_the_others(store: PostgresOrders, database_url: str, strange: str) -> None:
    let_time_pass(database_url, 6)
    told = [history_view(history)["order"]["id"] for history in store.unpublished(10)]
    assert strange in told
    assert len(told) == 5


@pytest.mark.parametrize("column", ["input_token = 'GONE'", """route = '{"legs": []}'"""])
def test_an_open_one_is_enqueued_with_the_others(store: PostgresOrders, database_url: str, column: str) -> None:
    ids = {placed(store).order.id for _ in range(3)}
    with psycopg.connect(database_url) as connection:
        connection.execute(f"UPDATE orders SET {column} WHERE id = %s".encode(), [min(ids)])
    let_time_pass(database_url, 16)
    assert set(store.idle(10, 45).order_ids) == ids
