"""What one user may ask for, on a real Postgres: nobody gets past it, however many requests come at once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from chalicelib.adapters.postgres.limits import PostgresAllowances
from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.owned import PostgresOwnedOrders, within
from chalicelib.adapters.postgres.pool import Database
from chalicelib.domain.errors import ClientOrderIdTaken, IdempotencyKeyReused, RateLimited, TooManyOpenOrders
from chalicelib.domain.identity import Owner
from chalicelib.domain.order import Order
from chalicelib.ports.access import OrderLimits
from chalicelib.ports.orders import Idempotency
from tests.fakes.postgres import Forgetful, fresh, open_database, settings_for

ANN, BOB = Owner("ann"), Owner("bob")
THREADS = 16
PER_MINUTE = OrderLimits(per_minute=20, max_open=0)


def at_once(url: str, times: int, call: Callable[[Database], object]) -> list[object]:
    """What each of so many calls came to, by threads that have a connection each."""

    def one(database: Database) -> object:
        try:
            return call(database)
        except (RateLimited, TooManyOpenOrders) as refusal:
            return refusal

    databases = [open_database(url) for _ in range(THREADS)]
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(one, [databases[number % THREADS] for number in range(times)]))
    finally:
        for database in databases:
            database.close()


def pass_time(url: str, seconds: float) -> None:
    """As if the last request of everybody had been so much earlier."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE allowances SET at = at - %s", (timedelta(seconds=seconds),))


@pytest.mark.parametrize("limits", [PER_MINUTE, OrderLimits(0, 3), OrderLimits(20, 3)])
def test_every_statement_names_the_owner(limits: OrderLimits) -> None:
    insert = within(limits).insert
    assert "%(user_id)s" not in insert
    assert "user_id = %(owner)s" in insert


def test_of_240_orders_at_once_as_many_as_the_bucket_holds_are_stored(database_url: str, store: PostgresOrders) -> None:
    start = time.monotonic()
    outcomes = at_once(
        database_url,
        240,
        lambda database: PostgresOwnedOrders(database, PER_MINUTE).of(ANN).insert(fresh(user_id="ann"), None),
    )
    refills = int((time.monotonic() - start) / 3) + 1
    stored = [outcome for outcome in outcomes if outcome is None]
    assert 20 <= len(stored) <= 20 + refills
    assert store.count_open() == len(stored)
    assert all(1 <= outcome.retry_after <= 3 for outcome in outcomes if isinstance(outcome, RateLimited))
    print(f"{len(stored)} of {len(outcomes)} stored, with room for 20 and at most {refills} refills")


def test_another_user_has_a_bucket_of_his_own_and_each_fills_again(database_url: str, database: Database) -> None:
    owned = PostgresOwnedOrders(database, OrderLimits(2, 0))
    for _ in range(2):
        owned.of(ANN).insert(fresh(), None)
    with pytest.raises(RateLimited) as refused:
        owned.of(ANN).insert(fresh(), None)
    assert 1 <= refused.value.retry_after <= 30
    owned.of(BOB).insert(fresh(), None)
    pass_time(database_url, 30)
    owned.of(ANN).insert(fresh(), None)
    with pytest.raises(RateLimited):
        owned.of(ANN).insert(fresh(), None)
    # A day's pause fills the bucket, and no more.
    pass_time(database_url, 86_400)
    for _ in range(2):
        owned.of(ANN).insert(fresh(), None)
    with pytest.raises(RateLimited):
        owned.of(ANN).insert(fresh(), None)


def test_a_clock_that_jumps_back_takes_nothing_away(database_url: str, database: Database) -> None:
    owned = PostgresOwnedOrders(database, OrderLimits(2, 0))
    owned.of(ANN).insert(fresh(), None)
    pass_time(database_url, -3600)
    owned.of(ANN).insert(fresh(), None)
    with pytest.raises(RateLimited) as refused:
        owned.of(ANN).insert(fresh(), None)
    assert refused.value.retry_after <= 30


def test_quotes_and_tickets_take_from_the_same_bucket(database: Database) -> None:
    limits = OrderLimits(3, 0)
    allowances = PostgresAllowances(database, limits)
    PostgresOwnedOrders(database, limits).of(ANN).insert(fresh(), None)
    for _ in range(2):
        allowances.take(ANN)
    with pytest.raises(RateLimited):
        allowances.take(ANN)
    with pytest.raises(RateLimited):
        PostgresOwnedOrders(database, limits).of(ANN).insert(fresh(), None)
    allowances.take(BOB)
    PostgresAllowances(database, OrderLimits(0, 0)).take(ANN)


def test_a_repeated_request_gets_its_answer_whatever_is_left_and_takes_nothing(database: Database) -> None:
    owned = PostgresOwnedOrders(database, OrderLimits(2, 0)).of(ANN)
    first = fresh(user_id="ann")
    owned.insert(first, Idempotency("k", "f"))
    for _ in range(3):
        replayed = owned.insert(fresh(), Idempotency("k", "f"))
        assert isinstance(replayed, Order)
        assert replayed.id == first.id
    with pytest.raises(IdempotencyKeyReused):
        owned.insert(fresh(), Idempotency("k", "another"))
    owned.insert(fresh(), None)
    with pytest.raises(RateLimited):
        owned.insert(fresh(), None)
    replayed = owned.insert(fresh(), Idempotency("k", "f"))
    assert isinstance(replayed, Order)
    assert replayed.id == first.id


def test_a_refused_order_uses_up_neither_its_key_nor_its_client_order_id(
    database_url: str, database: Database, store: PostgresOrders
) -> None:
    owned = PostgresOwnedOrders(database, OrderLimits(1, 0)).of(ANN)
    owned.insert(fresh(client_order_id="taken"), None)
    refused = fresh(user_id="ann", client_order_id="c")
    with pytest.raises(RateLimited):
        owned.insert(refused, Idempotency("k", "f"))
    assert store.count_open() == 1
    pass_time(database_url, 60)
    with pytest.raises(ClientOrderIdTaken):
        owned.insert(fresh(client_order_id="taken"), None)
    # What was refused for another reason took nothing.
    assert owned.insert(refused, Idempotency("k", "f")) is None


def test_open_orders_are_limited_until_one_is_over(database_url: str, database: Database) -> None:
    owned = PostgresOwnedOrders(database, OrderLimits(10, 2)).of(ANN)
    first = fresh(user_id="ann")
    owned.insert(first, None)
    owned.insert(fresh(), None)
    for _ in range(12):
        with pytest.raises(TooManyOpenOrders):
            owned.insert(fresh(), None)
    # None of these took from the bucket.
    assert PostgresOwnedOrders(database, OrderLimits(10, 2)).of(BOB).insert(fresh(), None) is None
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE orders SET status = 'cancelled' WHERE id = %s", (first.id,))
    assert owned.insert(fresh(), None) is None


@pytest.mark.parametrize("per_minute", [0, 1000])
def test_open_orders_are_exceeded_at_most_by_what_comes_in_the_same_instant(
    database_url: str, store: PostgresOrders, per_minute: int
) -> None:
    limits = OrderLimits(per_minute, 20)
    outcomes = at_once(
        database_url,
        240,
        lambda database: PostgresOwnedOrders(database, limits).of(ANN).insert(fresh(user_id="ann"), None),
    )
    stored = sum(outcome is None for outcome in outcomes)
    assert 20 <= stored <= 20 + THREADS
    assert store.count_open() == stored
    assert {type(outcome) for outcome in outcomes} == {type(None), TooManyOpenOrders}


def test_an_order_whose_answer_was_lost_is_stored_once_though_it_took_the_last(database_url: str) -> None:
    forgetful = Forgetful(settings_for(database_url))
    try:
        order = fresh(user_id="ann")
        owned = PostgresOwnedOrders(forgetful, OrderLimits(1, 0)).of(ANN)
        assert owned.insert(order, None) is None
        assert owned.get(order.id).order.id == order.id
    finally:
        forgetful.close()
