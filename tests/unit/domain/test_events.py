"""What each event makes of an order."""

from dataclasses import replace

import pytest

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.events import (
    AttemptFailed,
    AttemptRestarted,
    OrderCancelled,
    OrderFailed,
    OrderFilled,
    RouteChosen,
    RoutingStarted,
    TransactionSubmitted,
    apply,
)
from chalicelib.domain.order import Failure, Fill
from chalicelib.domain.transitions import OrderStatus
from tests.fakes import a_route, a_transaction, an_order

FAILURE = Failure(ErrorCode.NO_QUOTE, "No venue gave a quote.", retryable=True)


def test_routing_and_submitting_change_the_status_alone() -> None:
    order = an_order(OrderStatus.PENDING, sequence=1)
    assert apply(order, RoutingStarted(("raydium",))) == replace(order, status=OrderStatus.ROUTING, sequence=2)
    order = an_order(OrderStatus.BUILDING, sequence=3)
    assert apply(order, TransactionSubmitted("s")) == replace(order, status=OrderStatus.SUBMITTED, sequence=4)


def test_a_chosen_route_and_a_fill_are_kept() -> None:
    order = an_order(OrderStatus.ROUTING, sequence=2)
    route, fill = a_route(order), Fill(1, 2, 3)
    assert apply(order, RouteChosen(route)) == replace(order, status=OrderStatus.BUILDING, sequence=3, route=route)
    order = an_order(OrderStatus.SUBMITTED, sequence=4)
    filled = apply(order, OrderFilled("s", fill))
    assert filled == replace(order, status=OrderStatus.CONFIRMED, sequence=5, fill=fill)


@pytest.mark.parametrize(("event", "attempt"), [(AttemptFailed(FAILURE, 1), 3), (AttemptRestarted(FAILURE), 2)])
def test_a_new_attempt_forgets_route_and_transaction(event: AttemptFailed | AttemptRestarted, attempt: int) -> None:
    order = an_order(OrderStatus.SUBMITTED, sequence=4, attempt=2, transaction=a_transaction())
    again = replace(order, status=OrderStatus.ROUTING, sequence=5, attempt=attempt, route=None, transaction=None)
    assert apply(order, event) == again


def test_an_end_keeps_its_reason_and_a_cancel_clears_it() -> None:
    order = an_order(OrderStatus.ROUTING, sequence=2)
    failed = replace(order, status=OrderStatus.FAILED, sequence=3, failure=FAILURE)
    assert apply(order, OrderFailed(FAILURE)) == failed
    stumbled = replace(order, failure=FAILURE)
    assert apply(stumbled, OrderCancelled()) == replace(order, status=OrderStatus.CANCELLED, sequence=3)
