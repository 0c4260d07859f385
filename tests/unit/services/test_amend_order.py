"""Amending an order while it rests, beside others who move it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.domain.errors import InvalidField, InvalidOrder, NotAmendable, OrderChanged
from chalicelib.domain.order import History, Order
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.amend_order import TRIES, Amendment, amend_order
from tests.fakes.resting_desk import MemoryDesk


def amended(desk: MemoryDesk, order: Order, amendment: Amendment) -> Order:
    history = amend_order(
        order.id,
        amendment,
        store=desk.store,
        market=desk.market,
        events=desk.events,
        clock=desk.clock,
        telemetry=desk.telemetry,
    )
    return history.order


def shown_late(desk: MemoryDesk, order: Order, times: int) -> list[str]:
    """So many reads show the order as it is now, though it is amended meanwhile; returns every read."""
    stale, get, reads = desk.store.get(order.id), desk.store.get, list[str]()
    amended(desk, order, Amendment(limit_price=Decimal(171)))

    def read(order_id: str) -> History:
        reads.append(order_id)
        return stale if len(reads) <= times else get(order_id)

    desk.store.get = read  # type: ignore[method-assign]
    return reads


def test_an_amendment_moves_the_limit_and_where_the_watcher_looks_or_the_end_alone(desk: MemoryDesk) -> None:
    order = desk.place()
    until = desk.clock.in_seconds(600)
    later = amended(desk, order, Amendment(expires_at=until))
    assert later == replace(order, sequence=2, expires_at=until, updated_at=later.updated_at)
    desk.pass_time(1)
    higher = amended(desk, order, Amendment(limit_price=Decimal(171)))
    assert (higher.limit_price, higher.bound, higher.expires_at) == (Decimal(171), Decimal(171), until)


def test_one_that_meets_another_looks_again(desk: MemoryDesk) -> None:
    order = desk.place()
    reads = shown_late(desk, order, 1)
    assert amended(desk, order, Amendment(limit_price=Decimal(172))).sequence == 3
    assert len(reads) == 2


def test_one_that_loses_every_race_gives_up(desk: MemoryDesk) -> None:
    order = desk.place()
    reads = shown_late(desk, order, TRIES)
    with pytest.raises(NotAmendable) as caught:
        amended(desk, order, Amendment(limit_price=Decimal(172)))
    assert (caught.value.order_id, caught.value.status) == (order.id, OrderStatus.WAITING)
    assert len(reads) == TRIES + 1


def test_what_is_over_or_has_moved_on_is_not_amended(desk: MemoryDesk) -> None:
    order = desk.place(expires_at=desk.clock.in_seconds(10))
    with pytest.raises(OrderChanged, match="its newest sequence is 1") as caught:
        amended(desk, order, Amendment(limit_price=Decimal(171), if_sequence=2))
    assert (caught.value.order_id, caught.value.status) == (order.id, OrderStatus.WAITING)
    desk.pass_time(10)
    with pytest.raises(NotAmendable) as too_late:
        amended(desk, order, Amendment(limit_price=Decimal(171)))
    assert too_late.value.order_id == order.id


def test_the_market_is_asked_as_it_is_now(desk: MemoryDesk) -> None:
    order = desk.place()
    desk.pass_time(60)
    desk.pays("5000")
    with pytest.raises(InvalidOrder, match="must be within 250 and 100000"):
        amended(desk, order, Amendment(limit_price=Decimal(171)))


def test_a_sniper_without_a_limit_gets_none(desk: MemoryDesk) -> None:
    with pytest.raises(InvalidOrder) as caught:
        amended(desk, desk.snipe(), Amendment(limit_price=Decimal(1)))
    assert caught.value.fields == (InvalidField("limitPrice", "is not a field of this order: it has no limit"),)
    # The watcher asks what its full size is paid: it has no bound.
    sniper = amended(desk, desk.snipe(limit="1"), Amendment(limit_price=Decimal(2)))
    assert (sniper.limit_price, sniper.bound) == (Decimal(2), None)
