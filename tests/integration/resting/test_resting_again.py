"""Orders whose price is gone when they are routed, and what keeps their limit whoever writes."""

import psycopg
import pytest

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.order import (
    Order,
    OrderType,
    TimeInForce,
    first_id_at,
)
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.execute_order import MAX_FIRES
from tests.fakes.chain import Behaviour
from tests.fakes.postgres import row_of
from tests.fakes.resting_desk import Desk


def rested(desk: Desk, *quotes: str | None, **changes: object) -> Order:
    """An order that fired at 170.02 and whose worker then got these quotes."""
    order = desk.place(**changes)  # type: ignore[arg-type]
    desk.pays("170.02")
    assert desk.beat() == 1
    desk.router.script = list(quotes)
    desk.run(order)
    return desk.store.get(order.id).order


def test_case_28_a_price_that_is_gone_at_three_looks_rests_again(desk: Desk) -> None:
    order = rested(desk, "169.98", "169.95", "169.99")
    assert desk.statuses(order) == ["waiting", "pending", "routing", "waiting"]
    newest = desk.store.get(order.id).events[-1]
    assert newest.message == "The price moved away: 169.99 at best. Resting again, next look in 2 s."
    assert isinstance(newest.meta["error"], dict)
    assert newest.meta["error"]["code"] == "limit_not_met"
    assert (order.attempt, order.fires, order.route, order.transaction) == (1, 1, None, None)
    assert len(desk.router.asked) == 3
    row = row_of(desk.url, order.id)
    assert (row["attention_at"], row["lease_token"]) == (None, None)
    assert desk.beat() == 0
    desk.pass_time(3)
    assert desk.beat() == 1
    desk.run(order)
    assert desk.statuses(order)[4:] == ["pending", "routing", "building", "submitted", "confirmed"]
    # A second firing is another attempt towards venues and chain.
    assert [request.reference for request in desk.router.asked] == [f"{order.id}:1"] * 3 + [f"{order.id}:2:1"]


def test_case_29_a_price_that_comes_back_within_three_looks_is_taken(desk: Desk) -> None:
    order = rested(desk, "169.98", "170.01")
    assert desk.statuses(order) == ["waiting", "pending", "routing", "building", "submitted", "confirmed"]
    assert order.fill is not None
    assert order.fill.amount_out >= 1_700_000_000


def test_case_30_reverted_for_the_price_it_rests_and_signs_anew(desk: Desk) -> None:
    order = desk.place()
    desk.pays("170.02")
    desk.beat()
    desk.chain.behaviours[1] = Behaviour.REVERTS
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "building", "submitted", "waiting"]
    del desk.chain.behaviours[1]
    desk.pass_time(3)
    assert desk.beat() == 1
    desk.run(order)
    assert desk.statuses(order)[-1] == "confirmed"
    assert len(set(desk.chain.submissions)) == 2
    assert desk.chain.settlements(order.id) == 1


def test_case_31_venues_without_a_quote_use_up_the_firing_and_not_the_order(desk: Desk) -> None:
    order = rested(desk, None, None, None)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "routing", "routing", "waiting"]
    assert order.attempt == 1


def test_case_32_a_final_refusal_fails(desk: Desk) -> None:
    order = desk.place()
    desk.pays("170.02")
    desk.beat()
    desk.market.deepest = 1
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "failed"]
    failure = desk.store.get(order.id).order.failure
    assert failure is not None
    assert failure.code is ErrorCode.INSUFFICIENT_LIQUIDITY


def test_case_33_fill_or_kill_is_looked_at_once(desk: Desk) -> None:
    desk.pays("170.1")
    order = desk.place(time_in_force=TimeInForce.FOK)
    assert (order.status, order.fires, order.expires_at) == (OrderStatus.PENDING, 1, None)
    desk.router.script = ["169.9", "171"]
    desk.run(order)
    assert desk.statuses(order) == ["pending", "routing", "expired"]
    newest = desk.store.get(order.id)
    assert newest.order.failure is not None
    assert newest.order.failure.code is ErrorCode.LIMIT_NOT_MET
    assert len(desk.router.asked) == 1
    # An unmet one never rests either: one look, and it ends.
    unmet = desk.place("171.5", time_in_force=TimeInForce.FOK)
    desk.router.script = ["170"]
    desk.run(unmet)
    assert desk.statuses(unmet) == ["pending", "routing", "expired"]


def test_case_34_the_hundredth_firing_that_misses_is_the_last(desk: Desk) -> None:
    order = desk.place()
    with psycopg.connect(desk.url, autocommit=True) as connection:
        connection.execute("UPDATE orders SET fires = %s WHERE id = %s", [MAX_FIRES - 1, order.id])
    desk.pays("170.02")
    assert desk.beat() == 1
    desk.router.script = ["169"] * 3
    desk.run(order)
    ended = desk.store.get(order.id).order
    assert ended.status is OrderStatus.FAILED
    assert ended.failure is not None
    assert (ended.failure.code, ended.failure.retryable) == (ErrorCode.LIMIT_NOT_MET, True)


def test_case_35_a_late_copy_of_a_message_finds_nothing_to_do(desk: Desk) -> None:
    order = rested(desk, "169.98", "169.95", "169.99")
    desk.run(order)
    assert desk.statuses(order)[-1] == "waiting"
    assert len(desk.router.asked) == 3


def test_a_worker_that_knows_no_limits_cannot_route_past_one(desk: Desk) -> None:
    """The version before claims a fired order while a deployment is under way, and routes it as a market order."""
    order = desk.place()
    desk.pays("170")
    desk.beat()
    with psycopg.connect(desk.url, autocommit=True) as connection:
        past = '{"minimum_output": 1699999999, "maximum_input": 10000000000}'
        with pytest.raises(psycopg.errors.CheckViolation, match="route_keeps_limit"):
            connection.execute("UPDATE orders SET route = %s, status = 'building' WHERE id = %s", [past, order.id])
        # The version before reads and claims nothing that rests: its list of states has no such state.
        resting = desk.place("171")
        claimed = connection.execute(
            "UPDATE orders SET lease_token = gen_random_uuid() WHERE id = %s"
            " AND status IN ('pending', 'routing', 'building', 'submitted') RETURNING id",
            [resting.id],
        ).fetchall()
    assert claimed == []


def test_an_order_of_the_version_before_is_executed_as_a_market_order(desk: Desk) -> None:
    at = desk.clock.now()
    order_id = f"{first_id_at(at)}{'0' * 20}"
    with psycopg.connect(desk.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO orders (id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps,"
            " status, attempt, sequence, created_at, updated_at, attention_at)"
            " VALUES (%s, 'u', 'w', 'SOL', 'USDC', 'sell', 1000000000, 50, 'pending', 1, 1, now(), now(), now())",
            [order_id],
        )
        connection.execute(
            "INSERT INTO order_events (order_id, sequence, status, attempt, message, meta, occurred_at)"
            " VALUES (%s, 1, 'pending', 1, 'Order accepted.', '{}', now())",
            [order_id],
        )
    order = desk.store.get(order_id).order
    assert (order.order_type, order.fires, order.guard) == (OrderType.MARKET, 0, None)
    desk.run(order)
    assert desk.statuses(order)[-1] == "confirmed"
