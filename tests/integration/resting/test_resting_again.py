"""Orders whose price is gone when they are routed, and what keeps their limit whoever writes."""

import psycopg
import pytest

from chalicelib.domain.order import OrderType, first_id_at
from tests.fakes.postgres import row_of
from tests.integration.resting.desk import DatabaseDesk


def test_an_order_whose_price_is_gone_rests_again_and_is_looked_at_later(desk: DatabaseDesk) -> None:
    order = desk.place()
    desk.pays("170.02")
    assert desk.beat() == 1
    desk.router.script = ["169.98", "169.95", "169.99"]
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "waiting"]
    row = row_of(desk.url, order.id)
    assert (row["attention_at"], row["lease_token"]) == (None, None)
    assert desk.beat() == 0
    desk.pass_time(3)
    assert desk.beat() == 1


def test_a_worker_that_knows_no_limits_cannot_route_past_one(desk: DatabaseDesk) -> None:
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


def test_an_order_of_the_version_before_is_executed_as_a_market_order(desk: DatabaseDesk) -> None:
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
