"""Cancelling while it is safe, and never after."""

from dataclasses import replace

import pytest

from chalicelib.domain.errors import NotCancellable, OrderNotFound
from chalicelib.domain.order import History, Order
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.orders import Lease
from chalicelib.services.cancel_order import TRIES
from chalicelib.services.worker import Ack
from tests.fakes import Behaviour, a_transaction, an_order
from tests.fakes.engine import At, Engine

LEASE = Lease("worker", 18)
SIGNED = a_transaction("signature")


@pytest.mark.parametrize("status", [OrderStatus.PENDING, OrderStatus.ROUTING, OrderStatus.BUILDING])
@pytest.mark.parametrize("lease", [None, LEASE])
def test_before_it_is_signed(engine: Engine, status: OrderStatus, lease: Lease | None) -> None:
    order = engine.store.put(an_order(status, sequence=2), lease=lease).order
    cancelled = engine.cancel(order.id)
    assert cancelled.order.status is OrderStatus.CANCELLED
    assert cancelled.order.sequence == 3
    assert cancelled == engine.history(order.id)
    assert cancelled.events[-1].message == "Cancelled by the client."
    assert engine.store.rows[order.id].lease_token is None
    assert [sent.history for sent in engine.events.sent] == [cancelled]
    assert engine.telemetry.total("OrdersCancelled") == 1
    assert engine.run(order.id) == Ack()
    assert engine.chain.submissions == {}


@pytest.mark.parametrize(
    "order",
    [
        an_order(OrderStatus.BUILDING, transaction=SIGNED),
        an_order(OrderStatus.SUBMITTED, transaction=SIGNED),
        an_order(OrderStatus.CONFIRMED, transaction=SIGNED),
        an_order(OrderStatus.FAILED),
        an_order(OrderStatus.FAILED, transaction=SIGNED),
    ],
    ids=lambda order: order.status,
)
def test_too_late(engine: Engine, order: Order) -> None:
    engine.store.put(order)
    writes = engine.store.writes
    with pytest.raises(NotCancellable) as caught:
        engine.cancel(order.id)
    assert caught.value.status == order.status
    assert str(caught.value) == f"Order {order.id} can no longer be cancelled: it is {order.status}."
    assert engine.store.writes == writes
    assert engine.events.sent == []


def test_no_such_order(engine: Engine) -> None:
    with pytest.raises(OrderNotFound):
        engine.cancel("ord_unknown")


def test_a_second_cancel_gets_the_cancelled_order_again_and_tells_nobody(engine: Engine) -> None:
    order_id = engine.place().id
    first = engine.cancel(order_id)
    writes = engine.store.writes
    # Telling would fail, and be counted.
    engine.events.outage = True
    assert engine.cancel(order_id) == first
    assert engine.store.writes == writes
    assert (len(engine.events.sent), engine.telemetry.total("PublishFailures")) == (1, 0)
    assert engine.telemetry.total("OrdersCancelled") == 1


@pytest.mark.parametrize("story", [Behaviour.SETTLES, Behaviour.DROPPED_ONCE, Behaviour.REVERTS])
def test_a_cancel_at_any_moment_of_a_workers_turn_wins_or_loses_cleanly(story: Behaviour) -> None:
    outcomes = set()
    for tick in range(1, 200):
        engine = Engine()
        engine.chain.behaviours = {1: story}
        order_id = engine.place().id
        verdict: list[str] = []

        def cancel_now(_: str, engine: Engine = engine, order_id: str = order_id, verdict: list[str] = verdict) -> None:
            try:
                engine.cancel(order_id)
            except NotCancellable:
                verdict.append("refused")
            else:
                verdict.append("cancelled")

        fuse = At(tick, cancel_now)
        engine.drive(order_id, engine.worker(fuse=fuse))
        if not verdict:
            break
        engine.audit(order_id)
        cancelled = engine.order(order_id).status is OrderStatus.CANCELLED
        assert cancelled == (verdict == ["cancelled"]), fuse.moment
        if cancelled:
            assert engine.chain.submissions == {} or story is Behaviour.REVERTS, fuse.moment
        outcomes.add((*verdict, fuse.moment))
    assert ("cancelled", "before store.save_signed_transaction") in outcomes
    assert ("refused", "after store.save_signed_transaction") in outcomes
    assert ("cancelled", "before router.quotes") in outcomes


def shown_late(engine: Engine, times: int) -> tuple[str, list[str]]:
    """An order that a worker has moved, which so many reads show as it was before; and every read of it."""
    order_id = engine.place().id
    stale, get, reads = engine.history(order_id), engine.store.get, list[str]()
    engine.store.put(replace(stale.order, status=OrderStatus.ROUTING, sequence=2), lease=LEASE)

    def read(order_id: str) -> History:
        reads.append(order_id)
        return stale if len(reads) <= times else get(order_id)

    engine.store.get = read  # type: ignore[method-assign]
    return order_id, reads


def test_a_cancel_that_meets_a_worker_looks_again(engine: Engine) -> None:
    order_id, reads = shown_late(engine, 1)
    assert engine.cancel(order_id).order.sequence == 3
    assert len(reads) == 2


def test_a_cancel_that_finds_it_cancelled_meanwhile_tells_of_it(engine: Engine) -> None:
    """It may have been its own, whose answer was lost."""
    order_id = engine.place().id
    stale, get = engine.history(order_id), engine.store.get
    engine.events.outage = True
    engine.cancel(order_id)
    engine.events.outage = False
    reads = iter([stale])
    engine.store.get = lambda order_id: next(reads, None) or get(order_id)  # type: ignore[method-assign]
    cancelled = engine.cancel(order_id)
    assert cancelled.order.status is OrderStatus.CANCELLED
    assert [sent.history for sent in engine.events.sent] == [cancelled]
    assert engine.store.rows[order_id].attention_at is None


def test_a_cancel_that_loses_every_race_gives_up(engine: Engine) -> None:
    order_id, reads = shown_late(engine, 100)
    with pytest.raises(NotCancellable, match=f"Order {order_id} can no longer be cancelled: it is pending"):
        engine.cancel(order_id)
    assert len(reads) == TRIES + 1
    assert engine.order(order_id).status is OrderStatus.ROUTING
