"""Resting orders that are cancelled, amended, or run out of time."""

from collections.abc import Callable
from fractions import Fraction

import pytest

from chalicelib.adapters.postgres.resting import PostgresResting
from chalicelib.domain.errors import Fenced, NotCancellable
from chalicelib.domain.events import OrderCancelled
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.orders import Transition
from chalicelib.services.watch import beat, begin_minute
from tests.fakes import CrashAt, Killed
from tests.fakes.postgres import row_of
from tests.fakes.resting_desk import Desk


def test_case_36_a_cancelled_order_fires_no_more(desk: Desk) -> None:
    order = desk.place()
    desk.pays("170")
    desk.cancel(order)
    assert desk.beat() == 0
    assert desk.statuses(order) == ["waiting", "cancelled"]


def test_case_36_of_a_cancel_and_a_firing_one_wins(desk: Desk) -> None:
    order = desk.place()
    desk.pays("170")
    seen = desk.store.get(order.id)
    resting = PostgresResting(desk.database)
    desk.beat()
    with pytest.raises(Fenced):
        desk.store.advance(seen, Transition(seen.order, OrderCancelled(), lease=None, release=True))
    other = desk.place("171")
    read = desk.store.get(other.id).order
    desk.cancel(other)
    from chalicelib.domain.events import PriceReached

    assert resting.move([(read, PriceReached(Fraction(1), desk.clock.now(), 0))]) == []


def test_case_38_an_amended_order_fires_at_its_new_limit(desk: Desk) -> None:
    order = desk.place()
    desk.pays("170.5", "171")
    desk.amend(order, "171")
    assert desk.statuses(order) == ["waiting", "waiting"]
    assert desk.beat() == 0
    desk.pass_time(1)
    assert desk.beat() == 1
    row = row_of(desk.url, order.id)
    assert (row["least_output"], row["limit_price"]) == (1_710_000_000, 171)


def test_case_41_an_order_expires_and_its_followers_are_told(desk: Desk) -> None:
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


def test_case_41_an_end_that_cannot_be_told_reconcile_tells(desk: Desk) -> None:
    order = desk.place(expires_at=desk.clock.in_seconds(10))
    desk.store.follow(order.id)
    desk.pass_time(12)
    desk.events.outage = True
    beat(desk.watcher())
    desk.events.outage = False
    desk.pass_time(6)
    assert desk.reconcile() == 1
    assert [sent.history.order.id for sent in desk.events.sent] == [order.id]


def test_case_43_what_stands_in_the_queue_past_its_end_is_never_signed(desk: Desk) -> None:
    order = desk.place(expires_at=desk.clock.in_seconds(10))
    desk.pays("170")
    assert desk.beat() == 1
    desk.pass_time(12)
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "expired"]
    assert desk.chain.submissions == {}


@pytest.mark.parametrize("when", ["quotes", "build"])
def test_case_43_nothing_is_signed_after_the_end(desk: Desk, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    order = desk.place(expires_at=desk.clock.in_seconds(10))
    desk.pays("170")
    desk.beat()
    port, call = (desk.router, "quotes") if when == "quotes" else (desk.chain, "build_swap")
    original: Callable[..., object] = getattr(port, call)

    def slowly(*arguments: object) -> object:
        answer = original(*arguments)
        desk.pass_time(11)
        return answer

    monkeypatch.setattr(port, call, slowly)
    desk.run(order)
    assert desk.statuses(order)[-1] == "expired"
    assert desk.chain.submissions == {}
    assert row_of(desk.url, order.id)["signature"] is None


def test_case_43_what_was_signed_in_time_may_land_after_it(desk: Desk) -> None:
    order = desk.place(expires_at=desk.clock.in_seconds(10))
    desk.pays("170")
    desk.beat()
    with pytest.raises(Killed):
        desk.run(order, desk.worker(CrashAt("after_signature")))
    desk.pass_time(20)
    desk.run(order)
    assert desk.statuses(order)[-1] == "confirmed"


def test_case_44_after_an_outage_ends_and_firings_come_at_once(desk: Desk) -> None:
    over = [desk.place(expires_at=desk.clock.in_seconds(60)) for _ in range(3)]
    waiting = [desk.place() for _ in range(2)]
    desk.pass_time(3600)
    desk.pays("170")
    desk.pass_time(1)
    begin_minute(desk.watcher())
    assert [desk.statuses(order)[-1] for order in over] == ["expired"] * 3
    assert [desk.statuses(order)[-1] for order in waiting] == ["pending"] * 2
