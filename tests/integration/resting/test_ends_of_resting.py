"""Resting orders that are cancelled, amended, or run out of time."""

from fractions import Fraction

import pytest

from chalicelib.domain.errors import Fenced, NotCancellable
from chalicelib.domain.events import OrderCancelled, PriceReached
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.orders import Transition
from chalicelib.services.watch import beat
from tests.fakes.postgres import row_of
from tests.integration.resting.desk import DatabaseDesk


def test_of_a_cancel_and_a_firing_one_wins(desk: DatabaseDesk) -> None:
    order = desk.place()
    desk.pays("170")
    seen = desk.store.get(order.id)
    desk.beat()
    with pytest.raises(Fenced):
        desk.store.advance(seen, Transition(seen.order, OrderCancelled(), lease=None, release=True))
    other = desk.place("171")
    read = desk.store.get(other.id).order
    desk.cancel(other)
    assert desk.resting.move([(read, PriceReached(Fraction(1), desk.clock.now(), 0))]) == []


def test_an_amended_order_fires_at_its_new_limit(desk: DatabaseDesk) -> None:
    order = desk.place()
    desk.pays("170.5", "171")
    desk.amend(order, "171")
    assert desk.statuses(order) == ["waiting", "waiting"]
    assert desk.beat() == 0
    desk.pass_time(1)
    assert desk.beat() == 1
    row = row_of(desk.url, order.id)
    assert (row["least_output"], row["limit_price"]) == (1_710_000_000, 171)


def test_an_order_expires_and_its_followers_are_told(desk: DatabaseDesk) -> None:
    order = desk.place(expires_at=desk.clock.in_seconds(10))
    unfollowed = desk.place(expires_at=desk.clock.in_seconds(10))
    desk.store.follow(order.id)
    desk.pass_time(12)
    done = beat(desk.watcher())
    assert (done.expired, done.fired) == (2, 0)
    assert row_of(desk.url, unfollowed.id)["attention_at"] is None
    assert desk.statuses(order) == ["waiting", "expired"]
    assert [sent.history.order.status for sent in desk.events.sent] == [OrderStatus.EXPIRED]
    assert row_of(desk.url, order.id)["attention_at"] is None
    with pytest.raises(NotCancellable):
        desk.cancel(order)
