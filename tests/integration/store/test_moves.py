"""Moves of orders on a real Postgres: atomic, fenced, recognised when their answer was lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.domain.amounts import MAX_BASE_UNITS
from chalicelib.domain.errors import Fenced
from chalicelib.domain.order import Fill, History, SignedTransaction
from chalicelib.domain.transitions import Trigger
from chalicelib.ports.orders import Claimed, Held
from tests.fakes import a_quote, a_route, a_transaction, no_quote
from tests.fakes.builders import METEORA, RAYDIUM
from tests.fakes.postgres import LEASE, OTHER, at_once, claimed, count_of, fresh, let_time_pass, row_of, step


def test_the_whole_way_is_kept_exactly(store: PostgresOrders) -> None:
    history = step(store, claimed(store), Trigger.START)
    quotes = (
        replace(a_quote(RAYDIUM), amount_out=MAX_BASE_UNITS, price_impact_pct=Decimal("12.3456")),
        a_quote(METEORA, amount_out=1),
    )
    route = replace(a_route(history.order, *quotes), unavailable=(no_quote(message="Ünïcode 'quoted' \\ \"x\""),))
    history = step(store, history, Trigger.CHOOSE_ROUTE, route=route)
    assert store.get(history.order.id) == history
    assert history.order.route == route
    transaction = a_transaction("5" * 88)
    order = store.save_signed_transaction(history.order, transaction, LEASE)
    history = step(store, History(order, history.events), Trigger.SUBMIT)
    assert store.get(history.order.id) == history
    fill = Fill(MAX_BASE_UNITS, 10**30, 0)
    history = step(store, history, Trigger.CONFIRM, fill=fill)
    assert store.get(history.order.id) == history
    assert (history.order.transaction, history.order.fill) == (transaction, fill)
    assert [event.sequence for event in history.events] == [1, 2, 3, 4, 5]
    assert history.events[-1].meta["executedOutput"] == {
        "token": "USDC",
        "amount": "1000000000000000000000000",
        "baseUnits": "1000000000000000000000000000000",
    }


def test_a_move_and_its_event_are_committed_together_or_not_at_all(store: PostgresOrders, database_url: str) -> None:
    history = claimed(store)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO order_events VALUES (%s, 2, 'routing', 1, 'In the way.', '{}', now())", [history.order.id]
        )
    with pytest.raises(psycopg.errors.UniqueViolation):
        step(store, history, Trigger.START)
    assert row_of(database_url, history.order.id)["status"] == "pending"
    assert row_of(database_url, history.order.id)["sequence"] == 1


def test_a_move_of_an_unknown_order_is_fenced(store: PostgresOrders) -> None:
    order = fresh()
    with pytest.raises(Fenced):
        step(store, History(order, ()), Trigger.START)


def test_twenty_equal_moves_write_one_event(store: PostgresOrders, database_url: str) -> None:
    history = claimed(store)
    results = at_once(20, lambda _: step(store, history, Trigger.START))
    assert len({result.order.sequence for result in results}) == 1
    assert count_of(database_url, "order_events") == 2


def test_the_lease_is_renewed_by_a_move_and_by_keeping_the_transaction(
    store: PostgresOrders, database_url: str
) -> None:
    history = step(store, claimed(store), Trigger.START)
    for trigger in (Trigger.CHOOSE_ROUTE, None):
        let_time_pass(database_url, 15)
        if trigger is not None:
            history = step(store, history, trigger, route=a_route(history.order))
        else:
            store.save_signed_transaction(history.order, a_transaction("s"), LEASE)
        held = store.claim(history.order.id, OTHER)
        assert isinstance(held, Held)
        assert held.seconds > 17


def test_events_never_go_back_in_time(store: PostgresOrders, database_url: str) -> None:
    history = claimed(store)
    ahead = datetime.now(UTC) + timedelta(hours=1)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE orders SET updated_at = %s", [ahead])
    history = step(store, history, Trigger.START)
    assert history.events[-1].occurred_at == history.order.updated_at == ahead


def test_a_released_order_can_be_claimed_at_once_or_later_and_nobody_stumbled_over_it(
    store: PostgresOrders, database_url: str
) -> None:
    history = claimed(store)
    let_time_pass(database_url, 18)
    assert store.claim(history.order.id, OTHER) == Claimed(history, 1)
    store.release(history.order, OTHER, 0)
    assert store.claim(history.order.id, LEASE) == Claimed(history)
    store.release(history.order, LEASE, 5)
    assert isinstance(store.claim(history.order.id, OTHER), Held)
    let_time_pass(database_url, 5)
    assert isinstance(store.claim(history.order.id, OTHER), Claimed)


def test_a_transaction_of_before_its_bytes_were_kept_is_read_with_the_height_of_its_expiry(
    store: PostgresOrders, database_url: str
) -> None:
    history = step(store, claimed(store), Trigger.START)
    history = step(store, history, Trigger.CHOOSE_ROUTE, route=a_route(history.order))
    store.save_signed_transaction(history.order, a_transaction("s"), LEASE)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE orders SET raw_transaction = NULL, last_valid_height = NULL, "
            "transaction_expires_at = '2026-11-26 12:00:00.5+00'"
        )
    order = store.get(history.order.id).order
    # The block in which the expiry lies: until its end nobody takes the transaction for dead.
    assert order.transaction == SignedTransaction("s", b"", 1_795_694_400 * 5 // 2 + 2)
    moved = step(store, History(order, history.events), Trigger.SUBMIT)
    assert store.get(order.id) == moved
    assert store.get(order.id).order.transaction == order.transaction
