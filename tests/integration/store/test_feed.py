"""The feed: all events of a user's orders, in an order in which nothing comes in later before what was read."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import psycopg
import pytest

from chalicelib.adapters.postgres.history import FEED, THE_BEGINNING, PostgresHistory
from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.owned import PostgresOwnedHistory
from chalicelib.adapters.postgres.pool import Database
from chalicelib.domain.identity import Owner
from chalicelib.domain.order import OrderEvent
from chalicelib.domain.transitions import Trigger
from chalicelib.ports.history import FeedPlace
from infra.migrations.roles import SETTINGS
from tests.fakes.postgres import claimed, fresh, placed, step, waits_for_a_lock


@pytest.fixture
def history(database: Database) -> PostgresHistory:
    return PostgresHistory(database)


def grow_old(url: str, seconds: float = 6) -> None:
    """Every event happened so much earlier."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE order_events SET occurred_at = occurred_at - make_interval(secs => %s)", [seconds])


def place_of(event: OrderEvent) -> FeedPlace:
    return FeedPlace(event.occurred_at, event.order_id, event.sequence)


def walk(history: PostgresHistory, user_id: str, limit: int) -> list[OrderEvent]:
    """All events, page by page."""
    events: list[OrderEvent] = []
    after = None
    while (page := history.feed(user_id, limit=limit, after=after)).events:
        assert page.more is (len(history.feed(user_id, limit=1, after=place_of(page.events[-1])).events) > 0)
        events += page.events
        after = place_of(events[-1])
    return events


def test_a_feed_has_every_event_of_the_user_once_in_the_order_of_time(
    history: PostgresHistory, store: PostgresOrders, database_url: str
) -> None:
    ours = [claimed(store) for _ in range(4)]
    moved = [step(store, each, Trigger.START) for each in reversed(ours)]
    # Of one moment: told apart by order, then sequence.
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE order_events SET occurred_at = date_trunc('second', occurred_at)")
    placed(store, user_id="another")
    grow_old(database_url)
    expected = {(event.order_id, event.sequence) for each in moved for event in each.events}
    for limit in (1, 3, 8, 200):
        events = walk(history, ours[0].order.user_id, limit)
        keys = [(event.occurred_at, event.order_id, event.sequence) for event in events]
        assert keys == sorted(keys)
        assert {key[1:] for key in keys} == expected
        assert len(keys) == len(expected)
    assert history.feed("nobody", limit=5, after=None).events == ()


def test_what_is_younger_than_a_statement_may_be_is_not_listed_yet(
    history: PostgresHistory, store: PostgresOrders, database_url: str
) -> None:
    user = placed(store).order.user_id
    assert history.feed(user, limit=5, after=None).events == ()
    grow_old(database_url, 4)
    assert history.feed(user, limit=5, after=None).events == ()
    grow_old(database_url, 1.5)
    assert len(history.feed(user, limit=5, after=None).events) == 1


def test_an_order_that_comes_through_late_has_its_time_from_the_database(
    history: PostgresHistory, store: PostgresOrders, database_url: str
) -> None:
    """It was placed a minute ago, by its id: a reader who is past that would never see it."""
    late = fresh()
    late = replace(late, created_at=late.created_at - timedelta(minutes=1))
    store.insert(late, None)
    (event,) = store.get(late.id).events
    assert timedelta(seconds=57) < event.occurred_at - late.created_at < timedelta(minutes=1)
    assert history.feed(late.user_id, limit=5, after=None).events == ()


def test_nothing_that_is_being_written_is_older_than_what_is_listed(store: PostgresOrders, database_url: str) -> None:
    """A move has its time from within its statement, which the role's time-out ends before the feed goes past it."""
    first = claimed(store)
    with ThreadPoolExecutor(1) as threads, psycopg.connect(database_url) as holder:
        holder.execute("SELECT FROM orders WHERE id = %s FOR UPDATE", [first.order.id])
        began_at = holder.execute("SELECT clock_timestamp()").fetchone()
        waiting = threads.submit(step, store, first, Trigger.START)
        waits_for_a_lock(database_url, waiting)
        holder.rollback()
        moved = waiting.result(20)
    assert began_at is not None
    assert moved.events[-1].occurred_at >= began_at[0]
    assert SETTINGS["statement_timeout"] == "5s"


def test_an_owner_reads_his_own_events_whatever_name_he_gives(
    store: PostgresOrders, database: Database, database_url: str
) -> None:
    mine = placed(store, user_id="ann").order.id
    placed(store, user_id="bob")
    grow_old(database_url)
    owned = PostgresOwnedHistory(database)
    for named in ("ann", "bob", ""):
        page = owned.feed(Owner("ann"), named, limit=5, after=None)
        assert [event.order_id for event in page.events] == [mine]
    assert owned.feed(Owner(None), "ann", limit=5, after=None).events == ()


def test_events_of_the_version_before_are_listed_too(
    history: PostgresHistory, store: PostgresOrders, database_url: str
) -> None:
    """It writes them without their user."""
    order = placed(store).order
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO order_events (order_id, sequence, status, attempt, message, meta, occurred_at)"
            " VALUES (%s, 2, 'routing', 1, '', '{}', now())",
            [order.id],
        )
        connection.execute(
            """
            WITH placed AS (
                INSERT INTO orders (id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps,
                    status, attempt, sequence, created_at, updated_at)
                VALUES ('ord_1', %s, 'w', 'SOL', 'USDC', 'sell', 1, 50, 'pending', 1, 1, now(), now()) RETURNING id
            )
            INSERT INTO order_events (order_id, sequence, status, attempt, message, meta, occurred_at)
            SELECT id, 1, 'pending', 1, '', '{}', now() FROM placed
            """,
            [order.user_id],
        )
    grow_old(database_url)
    events = history.feed(order.user_id, limit=5, after=None).events
    assert {(event.order_id, event.sequence) for event in events} == {(order.id, 1), (order.id, 2), ("ord_1", 1)}


@pytest.mark.parametrize("deep", [False, True])
def test_a_page_reads_little_however_deep_it_is(database_url: str, deep: bool) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            """
            INSERT INTO order_events (order_id, user_id, sequence, status, attempt, message, meta, occurred_at)
            SELECT 'ord_' || lpad(to_hex(n), 32, '0'), CASE WHEN n % 3 = 0 THEN 'busy' ELSE 'other' END, 1, 'failed', 1,
                '', '{}', now() - interval '1 day' + n * interval '1 second'
            FROM generate_series(1, 30000) AS n
            """
        )
        connection.execute("ANALYZE order_events")
        at: datetime = THE_BEGINNING.at
        if deep:
            row = connection.execute("SELECT now() - interval '1 day' + interval '29000 seconds'").fetchone()
            assert row is not None
            at = row[0]
        values = {"user_id": "busy", "at": at, "order_id": "", "sequence": 0, "rows": 51}
        plan = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {FEED}".encode(), values).fetchone()
    assert plan is not None
    assert plan[0][0]["Plan"]["Shared Hit Blocks"] + plan[0][0]["Plan"]["Shared Read Blocks"] < 80
