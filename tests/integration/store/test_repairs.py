"""What reconcile finds on a real Postgres."""

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg.rows import DictRow

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Connection, Database
from chalicelib.adapters.postgres.statements import DELETE_EXPIRED_KEYS
from chalicelib.domain.transitions import Trigger
from tests.fakes.postgres import claimed, count_of, let_time_pass, placed, settings_for, step

Result = TypeVar("Result")


BETWEEN = 45


def idle(store: PostgresOrders, limit: int = 10) -> list[str]:
    return list(store.idle(limit, BETWEEN).order_ids)


def test_an_end_is_due_at_once_though_the_order_s_next_look_was_far_off(
    store: PostgresOrders, database_url: str
) -> None:
    history = placed(store)
    let_time_pass(database_url, 15)
    assert store.idle(10, 3600).order_ids == (history.order.id,)
    over = step(store, history, Trigger.CANCEL, None)
    let_time_pass(database_url, 5)
    assert list(store.unpublished(10)) == [over]


def test_the_longest_waiting_come_first(store: PostgresOrders, database_url: str) -> None:
    ids = []
    for _ in range(4):
        ids.append(placed(store).order.id)
        let_time_pass(database_url, 1)
    let_time_pass(database_url, 20)
    assert store.count_open() == 4
    assert set(idle(store, 2)) == set(ids[:2])
    assert set(idle(store, 2)) == set(ids[2:])
    assert idle(store, 2) == []


def test_a_reconciler_waits_neither_for_another_nor_for_a_worker(store: PostgresOrders, database_url: str) -> None:
    first, second = placed(store).order.id, placed(store).order.id
    let_time_pass(database_url, 20)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM order_attention WHERE order_id = %s FOR UPDATE", [first])
        other.execute("SELECT FROM orders WHERE id = %s FOR UPDATE", [second])
        assert idle(store) == [second]
        other.rollback()
    assert idle(store) == [first]


def test_the_events_of_all_ends_are_read_at_once(database_url: str) -> None:
    statements: list[str] = []

    class Counted(psycopg.Cursor[DictRow]):
        def execute(self, query: Any, *given: Any, **named: Any) -> Any:
            statements.append(str(query))
            return super().execute(query, *given, **named)

    class Counting(Database):
        def run(self, work: Callable[[Connection], Result]) -> Result:
            def counted(connection: Connection) -> Result:
                connection.cursor_factory = Counted
                return work(connection)

            return super().run(counted)

    counting = Counting(settings_for(database_url))
    try:
        store = PostgresOrders(counting)
        ends = [step(store, claimed(store), Trigger.CANCEL) for _ in range(20)]
        let_time_pass(database_url, 5)
        statements.clear()
        found = store.unpublished(100)
    finally:
        counting.close()
    assert sorted(found, key=lambda history: history.order.id) == sorted(ends, key=lambda history: history.order.id)
    assert len(statements) == 3


@pytest.mark.parametrize("by", ["insert", "update"])
def test_a_function_of_the_version_before_leaves_its_orders_to_reconcile_too(
    store: PostgresOrders, database_url: str, by: str
) -> None:
    """It writes `orders.attention_at` and knows no other place; a resting order that fires does the same."""
    order_id = placed(store).order.id
    with psycopg.connect(database_url) as connection:
        if by == "update":
            connection.execute("UPDATE orders SET attention_at = NULL")
            assert count_of(database_url, "order_attention") == 1
            connection.commit()
            assert count_of(database_url, "order_attention") == 0
            connection.execute("UPDATE orders SET attention_at = now()")
            connection.commit()
    let_time_pass(database_url, 16)
    assert idle(store) == [order_id]


def test_keys_are_forgotten_in_batches_by_their_age(store: PostgresOrders, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO idempotency_keys (user_id, key, fingerprint, order_id, created_at)"
            " SELECT 'u', n::text, 'f', 'o', now() - interval '3 days' FROM generate_series(1, 2500) AS n"
        )
        assert [store.delete_expired_idempotency_keys() for _ in range(4)] == [1000, 1000, 500, 0]
        connection.execute(
            "INSERT INTO idempotency_keys (user_id, key, fingerprint, order_id)"
            " SELECT 'u', n::text, 'f', 'o' FROM generate_series(1, 20000) AS n"
        )
        connection.execute("VACUUM (ANALYZE) idempotency_keys")
        values = {"kept_for": "48 hours", "batch": 1000}
        plan = connection.execute(f"EXPLAIN {DELETE_EXPIRED_KEYS}".encode(), values).fetchall()
    assert "idempotency_keys_age" in str(plan)
    assert "Seq Scan" not in str(plan)
