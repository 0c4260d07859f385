"""Resting orders that are cancelled, or run out of time."""

from collections.abc import Callable

import pytest

from chalicelib.services.watch import begin_minute
from tests.fakes import CrashAt, Killed
from tests.fakes.resting_desk import MemoryDesk


def test_a_cancelled_order_fires_no_more(desk: MemoryDesk) -> None:
    order = desk.place()
    desk.pays("170")
    desk.cancel(order)
    assert desk.beat() == 0
    assert desk.statuses(order) == ["waiting", "cancelled"]


def test_what_stands_in_the_queue_past_its_end_is_never_signed(desk: MemoryDesk) -> None:
    order = desk.place(expires_at=desk.clock.in_seconds(10))
    desk.pays("170")
    assert desk.beat() == 1
    desk.pass_time(12)
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "expired"]
    assert desk.chain.submissions == {}


@pytest.mark.parametrize("when", ["quotes", "build"])
def test_nothing_is_signed_after_the_end(desk: MemoryDesk, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert desk.store.get(order.id).order.transaction is None


def test_what_was_signed_in_time_may_land_after_it(desk: MemoryDesk) -> None:
    order = desk.place(expires_at=desk.clock.in_seconds(10))
    desk.pays("170")
    desk.beat()
    with pytest.raises(Killed):
        desk.run(order, desk.worker(CrashAt("after_signature")))
    desk.pass_time(20)
    desk.run(order)
    assert desk.statuses(order)[-1] == "confirmed"


def test_after_an_outage_ends_and_firings_come_at_once(desk: MemoryDesk) -> None:
    over = [desk.place(expires_at=desk.clock.in_seconds(60)) for _ in range(3)]
    waiting = [desk.place() for _ in range(2)]
    desk.pass_time(3600)
    desk.pays("170")
    desk.pass_time(1)
    begin_minute(desk.watcher())
    assert [desk.statuses(order)[-1] for order in over] == ["expired"] * 3
    assert [desk.statuses(order)[-1] for order in waiting] == ["pending"] * 2
