"""The order and its events as clients read them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from chalicelib.domain.order import LaunchConditions, LaunchEvent
from chalicelib.domain.quotes import Side
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.views import history_view, open_order_view, order_view, timestamp
from tests.fakes import Behaviour, a_quote, an_order, new_order, no_quote
from tests.fakes.builders import METEORA, ONE_SOL, RAYDIUM
from tests.fakes.clock import START
from tests.fakes.engine import Engine

# The names that clients of the original know.
ORIGINAL = {
    "id", "userId", "walletAddress", "inputToken", "outputToken", "amount", "side", "status", "chosenDex",
    "expectedOutput", "errorMessage", "createdAt", "updatedAt",
}  # fmt: skip


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 22, 18, tzinfo=UTC), "2026-11-22T18:00:00.000Z"),
        (datetime(2026, 11, 22, 18, 0, 0, 999_999, tzinfo=UTC), "2026-11-22T18:00:00.999Z"),
        (datetime(2026, 11, 22, 20, tzinfo=timezone(timedelta(hours=2))), "2026-11-22T18:00:00.000Z"),
    ],
)
def test_a_timestamp_is_utc_with_milliseconds(moment: datetime, text: str) -> None:
    assert timestamp(moment) == text


@pytest.mark.parametrize("status", OrderStatus)
def test_the_originals_fields_are_always_there(status: OrderStatus) -> None:
    view = order_view(an_order(status))
    assert view.keys() >= ORIGINAL
    assert view["id"] == view["orderId"]
    assert view["status"] == status


def test_an_order_that_rests_or_fired() -> None:
    order = replace(
        an_order(OrderStatus.WAITING),
        limit_price=Decimal("170.50"),
        expires_at=START + timedelta(seconds=60),
        launch=LaunchConditions(event=LaunchEvent.LAUNCH),
        fires=2,
        fired_at=START,
    )
    view = open_order_view(order)
    assert (view["limitPrice"], view["expiresAt"]) == ("170.5", "2026-11-22T18:01:00.000Z")
    assert (view["fires"], view["firedAt"]) == (2, "2026-11-22T18:00:00.000Z")
    assert view["launch"] == {
        "event": "launch",
        "minimumLiquidityUsd": "5000",
        "maxAgeSeconds": 30,
        "requireSafe": True,
    }


def test_a_confirmed_order(engine: Engine) -> None:
    order_id = engine.place(new_order(amount=1_500_000_000)).id
    engine.run(order_id)
    view = order_view(engine.order(order_id))
    assert view["amount"] == "1.5"
    assert view["amountBaseUnits"] == "1500000000"
    assert view["chosenDex"] == "meteora"
    assert view["expectedOutput"] == "253.5"
    assert view["minimumOutput"] == "252.2325"
    assert view["maximumInput"] == "1.5"
    assert (view["expectedOutputBaseUnits"], view["minimumOutputBaseUnits"]) == ("253500000", "252232500")
    assert (view["maximumInputBaseUnits"], view["orderType"]) == ("1500000000", "market")
    assert view["executedPrice"] == "168.155"
    assert view["executedOutput"] == {"amount": "252.2325", "baseUnits": "252232500", "token": "USDC"}
    assert view["error"] is None
    assert view["attempts"] == 1


def test_a_purchase_counts_the_output(engine: Engine) -> None:
    order_id = engine.place(new_order(side=Side.BUY, amount=165_000_000)).id
    assert order_view(engine.order(order_id))["amount"] == "165"


def test_a_venue_without_a_quote_is_listed_with_its_reason(engine: Engine) -> None:
    engine.router.answers = {1: [a_quote(RAYDIUM, ONE_SOL), no_quote(METEORA, message="Too slow.")]}
    order_id = engine.place().id
    engine.run(order_id)
    route = order_view(engine.order(order_id))["route"]
    assert route is not None
    assert route["chosenDex"] == "raydium"
    assert route["unavailable"] == [{"venue": "meteora", "code": "no_quote", "message": "Too slow."}]


def test_a_failed_order_says_why(engine: Engine) -> None:
    engine.chain.behaviours = {1: Behaviour.REJECTED}
    order_id = engine.place().id
    engine.run(order_id)
    view = order_view(engine.order(order_id))
    assert view["errorMessage"] == "The pool refuses the order for good."
    assert view["error"] == {
        "code": "insufficient_liquidity",
        "message": "The pool refuses the order for good.",
        "retryable": False,
    }


def test_a_history_is_plain_json_without_a_float(engine: Engine) -> None:
    engine.chain.behaviours = {1: Behaviour.REVERTS}
    order_id = engine.place().id
    engine.drive(order_id)

    def refuse(text: str) -> float:
        raise AssertionError(f"{text} is a float")

    view = history_view(engine.history(order_id))
    assert json.loads(json.dumps(view), parse_float=refuse) == view
