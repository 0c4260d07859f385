"""Placing orders on a real Postgres: keys, client order ids, lost answers."""

from collections.abc import Callable

import pytest

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.domain.amounts import MAX_BASE_UNITS
from chalicelib.domain.errors import ClientOrderIdTaken, OrderNotFound
from chalicelib.domain.order import Order
from chalicelib.domain.quotes import Side
from chalicelib.domain.tokens import REGISTRY
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.orders import Idempotency
from tests.fakes.postgres import at_once, count_of, fresh, placed

KEY = Idempotency("key", "fingerprint")


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("amount", [1, MAX_BASE_UNITS])
def test_an_order_comes_back_as_it_was_stored(store: PostgresOrders, side: Side, amount: int) -> None:
    order = fresh(side=side, amount=amount, user_id="Ünïcode 🚀 'quoted'", client_order_id="mine", slippage_bps=0)
    assert store.insert(order, None) is None
    history = store.get(order.id)
    assert history.order == order
    (event,) = history.events
    assert (event.order_id, event.sequence, event.status, event.attempt) == (order.id, 1, OrderStatus.PENDING, 1)
    assert (event.message, event.meta, event.occurred_at) == ("Order accepted.", {}, order.created_at)


@pytest.mark.parametrize("token", REGISTRY, ids=str)
def test_every_token_can_be_stored(store: PostgresOrders, token: object) -> None:
    assert placed(store, input_token=token).order.input_token is token


def test_an_order_that_nobody_placed(store: PostgresOrders) -> None:
    with pytest.raises(OrderNotFound) as caught:
        store.get("ord_unknown")
    assert caught.value.order_id == "ord_unknown"


def test_a_client_order_id_is_taken_once_per_user_and_the_refusal_consumes_no_key(
    store: PostgresOrders, database_url: str
) -> None:
    first = placed(store, client_order_id="mine").order
    assert store.insert(fresh(client_order_id="mine", user_id="another"), None) is None
    with pytest.raises(ClientOrderIdTaken) as caught:
        store.insert(fresh(client_order_id="mine"), KEY)
    assert caught.value.order_id == first.id
    assert count_of(database_url, "idempotency_keys") == 0
    assert store.insert(fresh(client_order_id="another"), KEY) is None


def test_fifty_requests_with_one_key_make_one_order(connect: Callable[[], Database], database_url: str) -> None:
    stores = [PostgresOrders(connect()) for _ in range(5)]
    new_orders = [fresh() for _ in range(50)]
    answers = at_once(50, lambda n: stores[n % 5].insert(new_orders[n], KEY))
    winners = [new_order.id for new_order, answer in zip(new_orders, answers, strict=True) if answer is None]
    assert len(winners) == 1
    assert {answer.id for answer in answers if isinstance(answer, Order)} == set(winners)
    assert count_of(database_url, "orders") == count_of(database_url, "order_events") == 1


def test_fifty_requests_with_one_client_order_id_make_one_order(
    connect: Callable[[], Database], database_url: str
) -> None:
    stores = [PostgresOrders(connect()) for _ in range(5)]

    def place(number: int) -> str:
        order = fresh(client_order_id="mine")
        try:
            stores[number % 5].insert(order, None)
        except ClientOrderIdTaken as taken:
            return taken.order_id
        return order.id

    assert len(set(at_once(50, place))) == 1
    assert count_of(database_url, "orders") == 1


def test_how_far_an_order_may_move_the_market_is_kept(store: PostgresOrders) -> None:
    assert placed(store, max_price_impact_bps=10_000).order.max_price_impact_bps == 10_000
    assert placed(store, max_price_impact_bps=0).order.max_price_impact_bps == 0
