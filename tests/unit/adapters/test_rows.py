"""Rows that this version of the code did not write: they are read all the same, and shown as what they say."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.adapters.postgres.pool import _loads
from chalicelib.adapters.postgres.rows import ORDER_COLUMNS, changing_columns, event_from, order_from
from chalicelib.domain.errors import IllegalTransition
from chalicelib.domain.order import History
from chalicelib.domain.transitions import OrderStatus, Trigger
from chalicelib.services.views import history_view, order_view
from tests.fakes import an_order

NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)


def row(**changes: object) -> dict[str, Any]:
    """A confirmed order as it is stored."""
    order = an_order(OrderStatus.BUILDING, sequence=3)
    columns = changing_columns(order)
    route = columns["route"]
    stored = {
        **dict.fromkeys(name.strip() for name in ORDER_COLUMNS.split(",")),
        **columns,
        "id": order.id,
        "user_id": order.user_id,
        "wallet_address": order.wallet_address,
        "input_token": "SOL",
        "output_token": "USDC",
        "side": "sell",
        "amount": 10_500_000_000,
        "slippage_bps": 50,
        "created_at": NOW,
        "updated_at": NOW,
        "route": route.obj,  # type: ignore[attr-defined]
        "status": "confirmed",
        "signature": "signature",
        "transaction_expires_at": NOW,
        "fill_amount_in": 10_500_000_000,
        "fill_amount_out": 1_750_000_000,
        "fill_fee": 1000,
    }
    return {**stored, **changes}


def shown(stored: dict[str, Any]) -> dict[str, Any]:
    """What a client gets."""
    view: dict[str, Any] = json.loads(json.dumps(order_view(order_from(stored))))
    return view


def test_a_delisted_token_keeps_its_symbol_and_tells_base_units_only() -> None:
    view = shown(row(input_token="GONE"))
    assert (view["inputToken"], view["outputToken"]) == ("GONE", "USDC")
    assert (view["amount"], view["amountBaseUnits"]) == ("10500000000", "10500000000")
    assert view["executedInput"] == {"amount": "10500000000", "baseUnits": "10500000000", "token": "GONE"}
    assert view["executedOutput"] == {"amount": "1750", "baseUnits": "1750000000", "token": "USDC"}
    assert view["status"] == "confirmed"


def test_a_delisted_token_has_no_price_rather_than_a_wrong_one() -> None:
    for side in ("input_token", "output_token"):
        view = shown(row(**{side: "GONE"}))
        assert (view["executedPrice"], view["route"]) == (None, None)
    assert shown(row())["executedPrice"] is not None


@pytest.mark.parametrize(
    ("column", "stored", "field"),
    [("status", "resting", "status"), ("side", "short", "side")],
)
def test_a_word_of_another_version_is_shown_as_it_is(column: str, stored: str, field: str) -> None:
    assert shown(row(**{column: stored}))[field] == stored


def test_a_status_of_another_version_is_no_end_and_nothing_moves_it() -> None:
    order = order_from(row(status="resting"))
    assert not order.status.is_terminal
    for trigger in Trigger:
        with pytest.raises(IllegalTransition, match="resting"):
            order.moved(trigger)


def test_a_reason_of_another_version_is_shown_as_it_is() -> None:
    view = shown(row(status="failed", error_code="market_closed", error_message="Closed.", error_retryable=True))
    assert view["error"] == {"code": "market_closed", "message": "Closed.", "retryable": True}


def test_a_venue_of_another_version_is_shown_as_it_is() -> None:
    stored = row()
    route = json.loads(json.dumps(stored["route"]).replace("raydium", "orca").replace("meteora", "lifinity"))
    view = shown({**stored, "route": route})
    assert view["chosenDex"] in ("orca", "lifinity")
    assert {quote["venue"] for quote in view["route"]["quotes"]} <= {"orca", "lifinity"}


@pytest.mark.parametrize(
    "route",
    [{}, [], "?", 5, {"chosen": "raydium", "quotes": [], "unavailable": []}, {"legs": [1]}, {"quotes": None}],
    ids=json.dumps,
)
def test_a_route_that_cannot_be_read_is_left_out_and_logged(route: object, caplog: pytest.LogCaptureFixture) -> None:
    stored = row(route=route)
    view = shown(stored)
    assert (view["route"], view["chosenDex"], view["status"]) == (None, None, "confirmed")
    assert "route_not_read" in caplog.messages


def test_an_event_of_another_version_is_shown_as_it_is() -> None:
    stored = {
        "order_id": "o",
        "sequence": 1,
        "status": "resting",
        "attempt": 1,
        "message": "Resting.",
        "meta": {"limitPrice": "170"},
        "occurred_at": NOW,
    }
    view = history_view(History(order_from(row()), (event_from(stored),)))
    assert view["events"][0]["status"] == "resting"


def test_numbers_in_stored_json_are_decimals_and_never_floats() -> None:
    assert repr(_loads('{"a": 0.1, "b": 18446744073709551615}')) == "{'a': Decimal('0.1'), 'b': 18446744073709551615}"
