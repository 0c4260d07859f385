"""Accepting orders."""

import hashlib
import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from chalicelib.domain.errors import ClientOrderIdTaken, IdempotencyKeyReused, InvalidOrder, Unavailable
from chalicelib.domain.order import LaunchConditions, LaunchEvent, NewOrder, OrderType, TimeInForce
from chalicelib.domain.quotes import Side
from chalicelib.domain.tokens import JUP, USDT, launch_token
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.fingerprint import fingerprint
from chalicelib.services.place_order import PlacedOrder, place_order
from tests.fakes import new_order
from tests.fakes.clock import START
from tests.fakes.engine import Engine


def place(engine: Engine, order: NewOrder, key: str | None = None) -> PlacedOrder:
    return place_order(order, idempotency_key=key, ports=engine.placing())


def test_an_order_is_stored_with_its_first_event_and_queued(engine: Engine) -> None:
    placed = place(engine, new_order(amount=5, client_order_id="mine"))
    assert not placed.replayed
    history = engine.store.get(placed.order.id)
    assert history.order == placed.order
    assert (history.order.status, history.order.attempt, history.order.sequence) == (OrderStatus.PENDING, 1, 1)
    assert (history.order.amount, history.order.client_order_id) == (5, "mine")
    assert [(event.sequence, event.status, event.message) for event in history.events] == [
        (1, OrderStatus.PENDING, "Order accepted.")
    ]
    assert engine.queue.sent == [placed.order.id]
    assert engine.telemetry.total("OrdersAccepted") == 1


def test_while_the_queue_is_down_an_order_is_still_placed_and_reconcile_enqueues_it(engine: Engine) -> None:
    engine.queue.outage = True
    placed = place(engine, new_order())
    assert engine.store.get(placed.order.id).order == placed.order
    assert engine.telemetry.total("EnqueueFailures") == 1
    engine.queue.outage = False
    engine.clock.advance(16)
    engine.reconcile()
    assert engine.queue.sent == [placed.order.id]
    engine.drive(placed.order.id)
    engine.audit(placed.order.id)


def test_while_the_database_is_down_nothing_is_queued(engine: Engine) -> None:
    engine.store.outages.everything = True
    with pytest.raises(Unavailable):
        place(engine, new_order())
    assert engine.queue.sent == []


def test_the_same_key_gives_the_first_order_again(engine: Engine) -> None:
    first = place(engine, new_order(), "key")
    engine.drive(first.order.id)
    again = place(engine, new_order(), "key")
    assert again.replayed
    assert again.order.id == first.order.id
    assert again.order.status is OrderStatus.CONFIRMED
    assert list(engine.store.rows) == [first.order.id]
    assert engine.queue.sent == [first.order.id]
    assert engine.telemetry.total("OrdersAccepted") == 1


def test_a_repeat_of_a_limit_order_is_told_the_price_of_now_and_of_a_sniper_none(engine: Engine) -> None:
    for order, price in (
        (replace(LIMIT, client_order_id=None, expires_at=None), Fraction(169, 1000)),
        (replace(SNIPER, client_order_id=None, output_token=launch_token(7)), None),
    ):
        engine.market.usual = "168"
        first = place_order(order, idempotency_key=order.order_type, ports=engine.placing())
        engine.market.usual = "169"
        again = place_order(order, idempotency_key=order.order_type, ports=engine.placing())
        assert (again.order, again.replayed, again.market) == (first.order, True, price)
    # Where nobody trades it any more it is told its order all the same.
    engine.market.deepest = -1
    again = place_order(
        replace(LIMIT, client_order_id=None, expires_at=None), idempotency_key="limit", ports=engine.placing()
    )
    assert (again.replayed, again.market) == (True, None)


def test_what_always_traded_is_nothing_to_snipe(engine: Engine) -> None:
    with pytest.raises(InvalidOrder, match="outputToken: was launched long ago: place a market or limit order"):
        engine.place(SNIPER)


def test_the_same_key_with_another_order_is_refused(engine: Engine) -> None:
    place(engine, new_order(), "key")
    with pytest.raises(IdempotencyKeyReused):
        place(engine, new_order(amount=2), "key")
    assert len(engine.store.rows) == 1


def test_keys_belong_to_users(engine: Engine) -> None:
    one = place(engine, new_order(user="one"), "key")
    other = place(engine, new_order(user="other", amount=2), "key")
    assert one.order.id != other.order.id


def test_without_a_key_every_request_is_an_order(engine: Engine) -> None:
    assert place(engine, new_order()).order.id != place(engine, new_order()).order.id


def test_a_client_order_id_is_taken_once_and_the_refusal_consumes_no_key(engine: Engine) -> None:
    first = place(engine, new_order(client_order_id="mine"))
    with pytest.raises(ClientOrderIdTaken) as caught:
        place(engine, new_order(client_order_id="mine"), "key")
    assert caught.value.order_id == first.order.id
    assert not place(engine, new_order(client_order_id="another"), "key").replayed


BASE = new_order(client_order_id="mine")


@pytest.mark.parametrize(
    "other",
    [
        replace(BASE, user_id="user-2"),
        replace(BASE, wallet_address="wallet-2"),
        replace(BASE, input_token=JUP),
        replace(BASE, output_token=USDT),
        replace(BASE, side=Side.BUY),
        replace(BASE, amount=BASE.amount + 1),
        replace(BASE, slippage_bps=51),
        replace(BASE, client_order_id=None),
        replace(BASE, client_order_id="None"),
        replace(BASE, max_price_impact_bps=1_499),
    ],
)
def test_every_field_counts_in_the_fingerprint(other: NewOrder) -> None:
    assert fingerprint(other) != fingerprint(BASE)


def test_two_maximum_price_impacts_that_are_not_the_usual_one_are_told_apart() -> None:
    assert fingerprint(replace(BASE, max_price_impact_bps=1)) != fingerprint(replace(BASE, max_price_impact_bps=2))


def test_the_fingerprint_covers_every_field_there_is() -> None:
    assert fingerprint(BASE) == fingerprint(replace(BASE))
    # A new field must be added to the fingerprint and to the list above.
    assert len(NewOrder.__dataclass_fields__) == 14


LIMIT = replace(
    BASE,
    order_type=OrderType.LIMIT,
    limit_price=Decimal(170),
    time_in_force=TimeInForce.GTC,
    expires_at=START,
)
SNIPER = replace(BASE, order_type=OrderType.SNIPER, launch=LaunchConditions())


@pytest.mark.parametrize(
    "other",
    [
        replace(LIMIT, limit_price=Decimal("170.1")),
        replace(LIMIT, time_in_force=TimeInForce.FOK),
        replace(LIMIT, expires_at=None),
        replace(LIMIT, limit_price=Decimal("170." + "0" * 40 + "1")),
        replace(LIMIT, amount=BASE.amount + 1),
        replace(LIMIT, order_type=OrderType.SNIPER),
        replace(LIMIT, launch=LaunchConditions()),
        *(
            replace(SNIPER, launch=conditions)
            for conditions in (
                LaunchConditions(event=LaunchEvent.LAUNCH),
                LaunchConditions(minimum_liquidity_usd=Decimal(1)),
                LaunchConditions(max_age_seconds=31),
                LaunchConditions(require_safe=False),
            )
        ),
    ],
)
def test_every_field_of_a_resting_order_counts_in_the_fingerprint(other: NewOrder) -> None:
    assert fingerprint(other) not in (fingerprint(LIMIT), fingerprint(SNIPER))


def test_a_limit_price_is_the_same_however_it_is_written() -> None:
    assert fingerprint(replace(LIMIT, limit_price=Decimal("1.700e2"))) == fingerprint(LIMIT)


def test_a_key_of_before_there_was_a_maximum_price_impact_stands_for_the_same_order() -> None:
    order = new_order(client_order_id="mine")
    fields = ["user-1", "wallet-1", "SOL", "USDC", "sell", "1000000000", "50", "mine"]
    assert fingerprint(order) == hashlib.sha256(json.dumps(fields).encode()).hexdigest()
    assert fingerprint(replace(order, max_price_impact_bps=1_500)) == fingerprint(order)
