"""Orders that wait for a launch."""

from dataclasses import replace

import psycopg

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.transitions import OrderStatus
from tests.integration.resting.desk import DatabaseDesk


def test_a_sniper_fires_at_its_launch_which_is_kept_once(desk: DatabaseDesk) -> None:
    order = desk.snipe()
    assert desk.beat() == 0
    first = desk.launch()
    desk.market.launched_pools.append(replace(first, event_id="evt_2"))
    assert desk.beat() == 1
    with psycopg.connect(desk.url) as connection:
        rows = connection.execute("SELECT pool, event_ids FROM launches").fetchall()
    assert rows == [("pool_1", ["evt_1", "evt_2"])]
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "building", "submitted", "confirmed"]
    assert desk.beat() == 0


def test_one_that_was_not_bought_is_stored_with_the_reason_and_told(desk: DatabaseDesk) -> None:
    order = desk.snipe()
    desk.store.follow(order.id)
    desk.launch(liquidity=800)
    desk.pass_time(31)
    desk.beat()
    failed = desk.store.get(order.id).order
    assert failed.failure is not None
    assert (failed.status, failed.failure.code) == (OrderStatus.FAILED, ErrorCode.LAUNCH_SKIPPED)
    assert [sent.history.order for sent in desk.events.sent] == [failed]


def test_one_with_a_limit_is_looked_at_again_two_seconds_later(desk: DatabaseDesk) -> None:
    desk.snipe(limit="1.0")
    desk.launch()
    desk.market.usual = "0.9"
    assert desk.beat() == 0
    desk.market.usual = "1.1"
    assert desk.beat() == 0
    desk.pass_time(3)
    assert desk.beat() == 1
