"""A message that makes every worker stumble: its order fails with the reason and the last error, and no insides."""

from dataclasses import replace

import pytest

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.order import Failure, Order
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.worker import Ack
from tests.fakes.engine import Engine
from tests.unit.services.test_fail_dead_order import bury


def poisoned(engine: Engine) -> Order:
    """An order that says it has a route, and has none."""
    placed = engine.place()
    row = engine.store.rows[placed.id]
    row.order = replace(row.order, status=OrderStatus.BUILDING)
    return row.order


def test_the_reason_and_the_last_error_are_told(engine: Engine) -> None:
    order_id = poisoned(engine).id
    for _ in range(3):
        with pytest.raises(ValueError, match="without a route"):
            engine.run(order_id)
    assert bury(engine, order_id) == Ack()
    order = engine.order(order_id)
    assert order.status is OrderStatus.FAILED
    assert order.failure is not None
    assert order.failure.code is ErrorCode.PROCESSING_FAILED
    assert order.failure.message == (
        "No worker could finish the order in 12 deliveries of its message. "
        "The last error was: An internal error (ValueError)."
    )
    assert engine.events.sent[-1].history.order.status is OrderStatus.FAILED


def test_a_worker_that_gets_further_forgets_what_another_stumbled_over(engine: Engine) -> None:
    order_id = engine.place().id
    engine.router.on_quotes = stumble
    with pytest.raises(ZeroDivisionError):
        engine.run(order_id)
    stumbled = Failure(ErrorCode.PROCESSING_FAILED, "An internal error (ZeroDivisionError).", retryable=True)
    assert engine.order(order_id).failure == stumbled
    engine.router.on_quotes = lambda _: None
    engine.drive(order_id)
    assert engine.order(order_id).status is OrderStatus.CONFIRMED
    assert engine.order(order_id).failure is None


def test_the_next_delivery_need_not_wait_for_the_lease_of_one_that_stumbled(engine: Engine) -> None:
    order_id = engine.place().id
    engine.router.on_quotes = stumble
    with pytest.raises(ZeroDivisionError):
        engine.run(order_id)
    engine.router.on_quotes = lambda _: None
    assert engine.run(order_id) == Ack()


def stumble(_: object) -> None:
    raise ZeroDivisionError


def test_a_cancelled_order_has_no_error(engine: Engine) -> None:
    order_id = engine.place().id
    engine.router.on_quotes = stumble
    with pytest.raises(ZeroDivisionError):
        engine.run(order_id)
    engine.cancel(order_id)
    assert engine.order(order_id).status is OrderStatus.CANCELLED
    assert engine.order(order_id).failure is None
