"""The end of a message that no worker could process."""

import math

import pytest

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.orders import Lease
from chalicelib.services.fail_dead_order import POISON_CLAIMS, DeadLetter, fail_dead_order
from chalicelib.services.worker import Ack, ExecutionTimings, RetryAfter
from tests.fakes import Behaviour, FakeChain, Killed, an_order
from tests.fakes.engine import At, Engine, die


def poison(engine: Engine, order_id: str) -> None:
    """Two workers in a row die on the order, before they get anywhere."""
    for worker in ("one", "another"):
        engine.store.claim(order_id, Lease(worker, 18))
        engine.clock.advance(18)


def bury(engine: Engine, order_id: str, fuse: At | None = None) -> Ack | RetryAfter:
    worker, until = engine.worker(fuse=fuse), engine.clock.in_seconds(16)
    return fail_dead_order(DeadLetter(order_id, 12), worker=worker, timings=ExecutionTimings(), until=until)


@pytest.mark.parametrize("status", [OrderStatus.PENDING, OrderStatus.ROUTING, OrderStatus.BUILDING])
def test_the_order_fails_with_the_reason_and_its_followers_are_told(engine: Engine, status: OrderStatus) -> None:
    order = engine.store.put(an_order(status, sequence=[*OrderStatus].index(status) + 1)).order
    poison(engine, order.id)
    assert bury(engine, order.id) == Ack()
    engine.audit(order.id)
    buried = engine.order(order.id)
    assert buried.status is OrderStatus.FAILED
    assert buried.failure is not None
    assert (buried.failure.code, buried.failure.retryable) == (ErrorCode.PROCESSING_FAILED, True)
    assert buried.failure.message == "No worker could finish the order in 12 deliveries of its message."
    assert engine.events.sent[-1].history == engine.history(order.id)
    row = engine.store.rows[order.id]
    assert (row.attention_at, row.lease_token) == (None, None)
    assert engine.telemetry.total("OrdersFailed", code="processing_failed") == 1


def test_the_last_error_is_told(engine: Engine) -> None:
    engine.chain.behaviours = {1: Behaviour.CANNOT_BE_BUILT}
    order_id = engine.place().id
    assert engine.run(order_id) == RetryAfter(1)
    engine.clock.advance(1)
    poison(engine, order_id)
    assert bury(engine, order_id) == Ack()
    failure = engine.order(order_id).failure
    assert failure is not None
    assert failure.message == (
        "No worker could finish the order in 12 deliveries of its message. "
        "The last error was: The swap could not be built."
    )


@pytest.mark.parametrize("status", [OrderStatus.BUILDING, OrderStatus.SUBMITTED])
@pytest.mark.parametrize("was_submitted", [True, False])
def test_what_settled_or_still_may_is_never_buried(engine: Engine, status: OrderStatus, was_submitted: bool) -> None:
    order, _ = engine.sign(status, sent=was_submitted)
    # The transaction has not expired yet, so no time may pass.
    engine.store.rows[order.id].fruitless_claims = POISON_CLAIMS
    verdict = bury(engine, order.id)
    while isinstance(verdict, RetryAfter):
        engine.clock.advance(verdict.seconds)
        verdict = bury(engine, order.id)
    engine.audit(order.id)
    assert engine.order(order.id).status is OrderStatus.CONFIRMED


@pytest.mark.parametrize("landed", [None, Behaviour.REVERTS])
def test_what_can_never_settle_is_buried(engine: Engine, landed: Behaviour | None) -> None:
    if landed is not None:
        engine.chain.behaviours = {1: landed}
    order, _ = engine.sign(OrderStatus.SUBMITTED, sent=landed is not None)
    engine.clock.advance(40)
    poison(engine, order.id)
    assert bury(engine, order.id) == Ack()
    engine.audit(order.id)
    assert engine.order(order.id).status is OrderStatus.FAILED


@pytest.mark.parametrize("status", [OrderStatus.CONFIRMED, OrderStatus.FAILED, OrderStatus.CANCELLED])
def test_an_order_that_is_over_stays_as_it_is(engine: Engine, status: OrderStatus) -> None:
    order = engine.store.put(an_order(status, sequence=3)).order
    assert bury(engine, order.id) == Ack()
    assert engine.order(order.id) == order
    assert engine.events.sent == []


def test_an_unknown_order_is_ignored(engine: Engine) -> None:
    assert bury(engine, "ord_unknown") == Ack()
    assert engine.telemetry.logged("dead_letter_ignored")


def test_an_order_that_a_worker_has_waits(engine: Engine) -> None:
    order_id = engine.place().id
    engine.store.claim(order_id, Lease("worker", 18))
    assert bury(engine, order_id) == RetryAfter(18)
    assert engine.order(order_id).status is OrderStatus.PENDING


def test_an_order_that_is_taken_over_meanwhile_is_left_to_whoever_took_it() -> None:
    for tick in range(1, 20):
        engine = Engine()
        order_id = engine.place().id
        poison(engine, order_id)

        def take_over(_: str, engine: Engine = engine, order_id: str = order_id) -> None:
            engine.clock.advance(20)
            engine.drive(order_id)

        fuse = At(tick, take_over)
        verdict = bury(engine, order_id, fuse)
        if fuse.moment is None:
            break
        assert isinstance(verdict, Ack) or verdict.seconds > 0, fuse.moment
        engine.audit(order_id)


def test_a_burial_that_dies_anywhere_is_finished_by_the_next() -> None:
    for tick in range(1, 20):
        engine = Engine()
        order_id = engine.place().id
        poison(engine, order_id)
        fuse = At(tick, die)
        try:
            bury(engine, order_id, fuse)
        except Killed:
            engine.clock.advance(30)
            assert bury(engine, order_id) == Ack()
        engine.audit(order_id)
        assert engine.order(order_id).status is OrderStatus.FAILED
        if fuse.moment is None:
            break


def test_an_order_that_no_worker_broke_on_is_left_to_reconcile(engine: Engine) -> None:
    """All its deliveries were throttled: none reached a worker."""
    order_id = engine.place().id
    assert bury(engine, order_id) == Ack()
    assert engine.order(order_id).status is OrderStatus.PENDING
    assert engine.store.rows[order_id].lease_token is None
    engine.queue.sent.clear()
    engine.clock.advance(60)
    engine.reconcile()
    assert engine.queue.sent == [order_id]
    engine.drive(order_id)
    assert engine.order(order_id).status is OrderStatus.CONFIRMED


def test_one_worker_that_died_is_no_proof(engine: Engine) -> None:
    order_id = engine.place().id
    engine.store.claim(order_id, Lease("one", 18))
    engine.clock.advance(18)
    assert bury(engine, order_id) == Ack()
    assert engine.order(order_id).status is OrderStatus.PENDING


@pytest.mark.parametrize("receives", [1, 2, 5, 12])
def test_an_order_that_waits_for_a_slow_chain_is_never_buried(receives: int) -> None:
    """Each attempt's transaction is dropped and expires after 90 s; a letter comes after so many turns."""
    engine = Engine()
    engine.chain = FakeChain(engine.clock, lifetime=90)
    engine.chain.behaviours = {1: Behaviour.DROPPED, 2: Behaviour.DROPPED}
    order_id = engine.place().id
    letters = 0
    for turn in range(1, 100):
        verdict = engine.run(order_id)
        if isinstance(verdict, Ack):
            break
        engine.clock.advance(math.ceil(verdict.seconds))
        if turn % receives == 0:
            letters += 1
            assert bury(engine, order_id) == Ack()
    assert letters > 0
    engine.audit(order_id)
    assert (engine.order(order_id).status, engine.order(order_id).attempt) == (OrderStatus.CONFIRMED, 3)
