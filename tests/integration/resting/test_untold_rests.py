"""An order that rests moves again in a month, perhaps: what its followers were not told of it, reconcile tells."""

from collections.abc import Callable

import pytest

from chalicelib.domain.order import Order
from chalicelib.domain.transitions import OrderStatus
from tests.fakes import CrashAt, Killed
from tests.fakes.postgres import row_of
from tests.integration.resting.desk import DatabaseDesk


def follow_user(desk: DatabaseDesk) -> None:
    desk.store.follow_user("user-1", None, most_open=100, most_events=500)


def newest(desk: DatabaseDesk) -> Order:
    """The user's only order."""
    (order,) = desk.store.follow_user("user-1", None, most_open=1, most_events=1).open
    return order


def amended(desk: DatabaseDesk, order: Order) -> None:
    desk.amend(order, "171")


def missed(desk: DatabaseDesk, order: Order) -> None:
    desk.pays("170")
    desk.beat()
    desk.router.script = ["169", "169", "169"]
    desk.run(order)


def check_told_by_reconcile(desk: DatabaseDesk, order: Order) -> None:
    """Once, and without handing it to a worker."""
    enqueued = list(desk.queue.sent)
    desk.events.sent.clear()
    desk.pass_time(6)
    assert desk.reconcile() == 1
    assert [(sent.history.order.id, sent.history.order.status) for sent in desk.events.sent] == [
        (order.id, OrderStatus.WAITING)
    ]
    desk.pass_time(60)
    assert desk.reconcile() == 0
    assert desk.queue.sent == enqueued
    assert row_of(desk.url, order.id)["attention_at"] is None


def test_the_first_status_is_told_though_the_api_died_behind_its_commit(desk: DatabaseDesk) -> None:
    follow_user(desk)
    with pytest.raises(Killed):
        desk.place(crash=CrashAt("after_placed"))
    assert desk.events.sent == []
    check_told_by_reconcile(desk, newest(desk))


def test_what_was_told_is_not_told_again(desk: DatabaseDesk) -> None:
    follow_user(desk)
    order = desk.place()
    assert [sent.history.order.id for sent in desk.events.sent] == [order.id]
    desk.pass_time(60)
    assert desk.reconcile() == 0


@pytest.mark.parametrize("rests_again", [amended, missed])
def test_resting_again_is_told_though_the_queue_was_down(
    desk: DatabaseDesk, rests_again: Callable[[DatabaseDesk, Order], None]
) -> None:
    order = desk.place()
    desk.store.follow(order.id)
    desk.events.outage = True
    rests_again(desk, order)
    desk.events.outage = False
    check_told_by_reconcile(desk, order)


def test_an_order_that_fires_untold_is_executed_like_any_other(desk: DatabaseDesk) -> None:
    """Its attention is the worker's again: where the message is lost, reconcile enqueues it."""
    follow_user(desk)
    desk.events.outage = True
    order = desk.place()
    desk.pays("170")
    assert desk.beat() == 1
    desk.queue.sent.clear()
    desk.pass_time(16)
    assert desk.reconcile() == 1
    assert desk.queue.sent == [order.id]


def test_an_order_that_is_cancelled_untold_is_told_with_its_end(desk: DatabaseDesk) -> None:
    follow_user(desk)
    desk.events.outage = True
    order = desk.place()
    desk.cancel(order)
    desk.events.outage = False
    desk.pass_time(6)
    assert desk.reconcile() == 1
    assert [event.status for event in desk.events.sent[0].history.events] == ["waiting", "cancelled"]
