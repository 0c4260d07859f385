"""What reconcile finds on a real Postgres."""

import psycopg

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.domain.transitions import Trigger
from chalicelib.services.ports import Idempotency
from tests.fakes.postgres import (
    at_once,
    claimed,
    count_of,
    fresh,
    let_time_pass,
    open_database,
    placed,
    step,
)


def test_orders_get_attention_when_nobody_moved_them(store: PostgresOrders, database_url: str) -> None:
    waiting, working = placed(store), claimed(store)
    let_time_pass(database_url, 14)
    assert list(store.stuck(10)) == []
    let_time_pass(database_url, 1)
    assert list(store.stuck(10)) == [waiting]
    let_time_pass(database_url, 15)
    assert list(store.stuck(10)) == [working]
    let_time_pass(database_url, 30)
    assert {history.order.id for history in store.stuck(10)} == {waiting.order.id}


def test_an_end_gets_attention_until_it_was_published(store: PostgresOrders, database_url: str) -> None:
    over = step(store, claimed(store), Trigger.CANCEL)
    let_time_pass(database_url, 5)
    assert list(store.stuck(10)) == [over]
    let_time_pass(database_url, 45)
    assert list(store.stuck(10)) == [over]
    store.mark_published(over.order)
    let_time_pass(database_url, 3600)
    assert list(store.stuck(10)) == []


def test_an_open_order_cannot_be_marked_published(store: PostgresOrders, database_url: str) -> None:
    history = placed(store)
    store.mark_published(history.order)
    let_time_pass(database_url, 15)
    assert list(store.stuck(10)) == [history]


def test_the_longest_waiting_come_first(store: PostgresOrders, database_url: str) -> None:
    histories = []
    for _ in range(4):
        histories.append(placed(store))
        let_time_pass(database_url, 1)
    let_time_pass(database_url, 20)
    assert {history.order.id for history in store.stuck(2)} == {history.order.id for history in histories[:2]}
    assert {history.order.id for history in store.stuck(2)} == {history.order.id for history in histories[2:]}
    assert list(store.stuck(2)) == []


def test_each_stuck_order_goes_to_one_reconciler(database_url: str) -> None:
    databases = [open_database(database_url) for _ in range(4)]
    stores = [PostgresOrders(database) for database in databases]
    try:
        ids = {placed(stores[0]).order.id for _ in range(60)}
        let_time_pass(database_url, 20)

        def work_off(number: int) -> list[str]:
            found: list[str] = []
            while batch := stores[number].stuck(7):
                found += [history.order.id for history in batch]
            return found

        shares = at_once(4, work_off)
    finally:
        for database in databases:
            database.close()
    handed_out = [order_id for share in shares for order_id in share]
    assert len(handed_out) == len(set(handed_out))
    # A reconciler may skip rows that another has locked and stop early; whatever is left waits for the next run.
    assert set(handed_out) <= ids
    assert len(handed_out) >= 60 - 4 * 7


def test_a_reconciler_does_not_wait_for_another(store: PostgresOrders, database_url: str) -> None:
    first, second = placed(store), placed(store)
    let_time_pass(database_url, 20)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM orders WHERE id = %s FOR UPDATE", [first.order.id])
        assert [history.order.id for history in store.stuck(10)] == [second.order.id]
        other.rollback()
    assert [history.order.id for history in store.stuck(10)] == [first.order.id]


def test_old_keys_are_forgotten_and_young_ones_kept(store: PostgresOrders, database_url: str) -> None:
    store.insert(fresh(), "", Idempotency("old", "f"))
    let_time_pass(database_url, 48 * 3600)
    store.insert(fresh(), "", Idempotency("young", "f"))
    store.forget_old_keys()
    assert count_of(database_url, "idempotency_keys") == 1
    assert store.insert(fresh(), "", Idempotency("young", "f")) is not None
    assert store.insert(fresh(), "", Idempotency("old", "another")) is None
