"""Repairing what a crash or an outage left behind."""

import pytest

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.ports import Lease
from chalicelib.services.reconcile import BATCH, MAX_BATCHES, reconcile
from tests.fakes import CrashAt, Killed, an_order
from tests.fakes.engine import Engine


def repair(engine: Engine) -> int:
    return reconcile(store=engine.store, queue=engine.queue, events=engine.events, telemetry=engine.telemetry)


def test_there_is_nothing_to_repair(engine: Engine) -> None:
    engine.run(engine.place().id)
    engine.clock.advance(3600)
    engine.place()
    assert repair(engine) == 0
    assert len(engine.queue.sent) == 2


def test_an_order_that_never_reached_the_queue(engine: Engine) -> None:
    engine.queue.outage = True
    order_id = engine.place().id
    engine.queue.outage = False
    engine.clock.advance(14)
    assert repair(engine) == 0, "a worker may still pick it up"
    engine.clock.advance(2)
    assert repair(engine) == 1
    assert engine.queue.sent == [order_id]
    assert engine.telemetry.total("ReconcileRepairs", repair="enqueued") == 1


@pytest.mark.parametrize("status", [OrderStatus.PENDING, OrderStatus.ROUTING, OrderStatus.BUILDING])
def test_an_order_whose_worker_died_and_whose_message_is_lost(engine: Engine, status: OrderStatus) -> None:
    order = engine.store.put(an_order(status, sequence=[*OrderStatus].index(status) + 1)).order
    engine.store.claim(order.id, Lease("dead", 18))
    engine.clock.advance(29)
    assert repair(engine) == 0, "the message's own return comes first"
    engine.clock.advance(2)
    assert repair(engine) == 1
    assert engine.queue.sent == [order.id]
    engine.drive(order.id)
    engine.audit(order.id)


def test_an_order_is_repaired_once_and_again_only_after_a_while(engine: Engine) -> None:
    engine.place()
    engine.clock.advance(16)
    assert [repair(engine), repair(engine)] == [1, 0]
    engine.clock.advance(44)
    assert repair(engine) == 0
    engine.clock.advance(2)
    assert repair(engine) == 1


def test_an_end_that_was_never_published(engine: Engine) -> None:
    order_id = engine.place().id
    with pytest.raises(Killed):
        engine.run(order_id, engine.worker(CrashAt("after_commit_confirmed")))
    published = len(engine.events.sent)
    engine.clock.advance(6)
    assert repair(engine) == 1
    (sent,) = engine.events.sent[published:]
    assert sent.repeat
    assert sent.history == engine.history(order_id)
    assert engine.telemetry.total("ReconcileRepairs", repair="published") == 1
    engine.clock.advance(3600)
    assert repair(engine) == 0


def test_an_end_that_cannot_be_published_yet_is_tried_at_the_next_run(engine: Engine) -> None:
    order_id = engine.place().id
    engine.events.outage = True
    engine.run(order_id)
    engine.clock.advance(60)
    repair(engine)
    assert engine.telemetry.total("PublishFailures") == 5
    engine.events.outage = False
    engine.clock.advance(60)
    assert repair(engine) == 1
    assert engine.events.sent[-1].history == engine.history(order_id)
    engine.clock.advance(3600)
    assert repair(engine) == 0


def test_while_the_queue_is_down_nothing_is_forgotten(engine: Engine) -> None:
    engine.queue.outage = True
    order_id = engine.place().id
    for _ in range(3):
        engine.clock.advance(60)
        repair(engine)
    assert engine.queue.sent == []
    assert engine.telemetry.total("ReconcileRepairs") == 0
    engine.queue.outage = False
    engine.clock.advance(60)
    repair(engine)
    assert engine.queue.sent == [order_id]


def test_a_queue_that_is_down_is_asked_once_a_run_and_does_not_keep_ends_from_being_told(engine: Engine) -> None:
    ended = engine.place().id
    with pytest.raises(Killed):
        engine.run(ended, engine.worker(CrashAt("after_commit_confirmed")))
    for _ in range(BATCH // 2):
        engine.place()
    engine.clock.advance(60)
    engine.queue.outage = True
    warned = len(engine.telemetry.warnings)
    assert repair(engine) == 1
    assert [line.event for line in engine.telemetry.warnings[warned:]] == ["enqueue_failed"]
    assert engine.events.sent[-1].history == engine.history(ended)


def test_more_than_a_batch_is_repaired_in_one_run(engine: Engine) -> None:
    for _ in range(BATCH * 2 + 50):
        engine.store.put(an_order())
    engine.clock.advance(60)
    assert repair(engine) == BATCH * 2 + 50
    assert len(set(engine.queue.sent)) == BATCH * 2 + 50


def test_one_run_has_a_limit(engine: Engine) -> None:
    for _ in range(BATCH * MAX_BATCHES + 1):
        engine.store.put(an_order())
    engine.clock.advance(60)
    assert repair(engine) == BATCH * MAX_BATCHES
    assert repair(engine) == 1


def test_old_idempotency_keys_are_forgotten(engine: Engine) -> None:
    from chalicelib.services.ports import Idempotency

    engine.store.insert(an_order(), "", Idempotency("key", "fingerprint"))
    engine.clock.advance(47 * 3600)
    repair(engine)
    assert len(engine.store.keys) == 1
    engine.clock.advance(2 * 3600)
    repair(engine)
    assert engine.store.keys == {}


def test_without_a_database_the_run_fails(engine: Engine) -> None:
    engine.store.outages.everything = True
    with pytest.raises(Unavailable):
        repair(engine)
