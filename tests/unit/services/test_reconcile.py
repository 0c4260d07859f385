"""Repairing what a crash or an outage left behind."""

from collections.abc import Sequence

import pytest

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import History
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.orders import Idempotency, Lease
from chalicelib.services.reconcile import AGAIN_SECONDS, BATCH, MANY_AGAIN_SECONDS, THREADS, WITHOUT_PROOF
from tests.fakes import CrashAt, Killed, an_order
from tests.fakes.engine import Engine
from tests.fakes.store import KEYS_A_BATCH


def test_there_is_nothing_to_repair(engine: Engine) -> None:
    engine.run(engine.place().id)
    engine.clock.advance(3600)
    engine.place()
    assert engine.reconcile() == 0
    assert len(engine.queue.sent) == 2


def test_an_order_that_never_reached_the_queue(engine: Engine) -> None:
    engine.queue.outage = True
    order_id = engine.place().id
    engine.queue.outage = False
    engine.clock.advance(14)
    assert engine.reconcile() == 0, "a worker may still pick it up"
    engine.clock.advance(2)
    assert engine.reconcile() == 1
    assert engine.queue.sent == [order_id]
    assert engine.telemetry.total("ReconcileRepairs", repair="enqueued") == 1


@pytest.mark.parametrize("status", [OrderStatus.PENDING, OrderStatus.ROUTING, OrderStatus.BUILDING])
def test_an_order_whose_worker_died_and_whose_message_is_lost(engine: Engine, status: OrderStatus) -> None:
    order = engine.store.put(an_order(status, sequence=[*OrderStatus].index(status) + 1)).order
    engine.store.claim(order.id, Lease("dead", 18))
    engine.clock.advance(29)
    assert engine.reconcile() == 0, "the message's own return comes first"
    engine.clock.advance(2)
    assert engine.reconcile() == 1
    assert engine.queue.sent == [order.id]
    engine.drive(order.id)
    engine.audit(order.id)


def test_an_order_is_repaired_once_and_again_only_after_a_while(engine: Engine) -> None:
    engine.place()
    engine.clock.advance(16)
    assert [engine.reconcile(), engine.reconcile()] == [1, 0]
    engine.clock.advance(44)
    assert engine.reconcile() == 0
    engine.clock.advance(2)
    assert engine.reconcile() == 1


def test_an_end_that_was_never_published(engine: Engine) -> None:
    order_id = engine.place().id
    with pytest.raises(Killed):
        engine.run(order_id, engine.worker(CrashAt("after_commit_confirmed")))
    published = len(engine.events.sent)
    engine.clock.advance(6)
    assert engine.reconcile() == 1
    (sent,) = engine.events.sent[published:]
    assert sent.repeat
    assert sent.history == engine.history(order_id)
    assert engine.telemetry.total("ReconcileRepairs", repair="published") == 1
    engine.clock.advance(3600)
    assert engine.reconcile() == 0


def test_an_end_that_cannot_be_published_yet_is_tried_at_the_next_run(engine: Engine) -> None:
    order_id, *_ = ids = [engine.place().id for _ in range(THREADS + 2)]
    engine.events.outage = True
    for each in ids:
        engine.run(each)
    engine.clock.advance(60)
    assert engine.reconcile() == 0
    # Behind the first that could not be told, nothing is tried; nor is it counted as told.
    assert engine.telemetry.total("PublishFailures") == 4 * len(ids) + 1
    assert engine.telemetry.total("ReconcileRepairs") == 0
    engine.events.outage = False
    engine.clock.advance(60)
    assert engine.reconcile() == len(ids)
    assert engine.history(order_id) in [sent.history for sent in engine.events.sent]
    engine.clock.advance(3600)
    assert engine.reconcile() == 0


def test_a_queue_that_is_down_is_asked_once_a_run_and_does_not_keep_ends_from_being_told(engine: Engine) -> None:
    ended = engine.place().id
    with pytest.raises(Killed):
        engine.run(ended, engine.worker(CrashAt("after_commit_confirmed")))
    for _ in range(BATCH // 2):
        engine.place()
    engine.clock.advance(60)
    engine.queue.outage = True
    warned = len(engine.telemetry.warnings)
    assert engine.reconcile() == 1
    assert [line.event for line in engine.telemetry.warnings[warned:]] == ["enqueue_failed"]
    assert engine.events.sent[-1].history == engine.history(ended)


def test_what_a_queue_that_breaks_has_taken_before_is_counted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(BATCH + 1):
        engine.store.put(an_order())
    send_many = engine.queue.send_many

    def break_behind_the_first(order_ids: Sequence[str]) -> None:
        send_many(order_ids)
        engine.queue.outage = True

    monkeypatch.setattr(engine.queue, "send_many", break_behind_the_first)
    engine.clock.advance(60)
    assert engine.reconcile() == len(engine.queue.sent) == BATCH


def test_after_an_outage_everything_that_was_not_sent_is_enqueued_in_one_run(engine: Engine) -> None:
    ids = {engine.store.put(an_order()).order.id for _ in range(BATCH * 5 + 50)}
    engine.clock.advance(60)
    assert engine.reconcile() == len(ids)
    assert set(engine.queue.sent) == ids
    assert len(engine.queue.sent) == len(ids)


def test_ends_that_were_not_told_in_an_outage_are_told_in_one_run(engine: Engine) -> None:
    ids = {engine.place().id for _ in range(BATCH + 50)}
    engine.events.outage = True
    for order_id in ids:
        engine.cancel(order_id)
    engine.events.outage = False
    engine.clock.advance(60)
    assert engine.reconcile() == len(ids)
    assert engine.telemetry.total("ReconcileRepairs", repair="published") == len(ids)
    assert {sent.history.order.id for sent in engine.events.sent} == ids


def test_orders_that_merely_wait_in_a_long_queue_are_not_doubled(engine: Engine) -> None:
    orders = BATCH * 4
    ids = [engine.store.put(an_order()).order.id for _ in range(orders)]
    engine.queue.held = orders
    for _ in range(10):
        engine.clock.advance(60)
        engine.queue.held += engine.reconcile()
    assert len(engine.queue.sent) <= 10 * WITHOUT_PROOF
    assert len(set(engine.queue.sent)) == len(engine.queue.sent), "none is enqueued twice before all others once"
    assert set(engine.queue.sent) <= set(ids)


def test_a_lost_message_is_found_in_a_long_queue_when_the_orders_before_it_are_through(engine: Engine) -> None:
    waiting = WITHOUT_PROOF * 4
    ids = [engine.store.put(an_order()).order.id for _ in range(waiting)]
    lost = ids[waiting // 2]
    engine.queue.held = waiting - 1
    runs = 0
    while lost not in engine.queue.sent:
        runs += 1
        engine.clock.advance(60)
        engine.queue.held += engine.reconcile()
    assert runs <= 4


def test_as_many_are_enqueued_as_the_queue_lacks(engine: Engine) -> None:
    for _ in range(BATCH * 2):
        engine.store.put(an_order())
    engine.queue.held = BATCH // 2
    engine.clock.advance(60)
    assert engine.reconcile() == BATCH * 2 - BATCH // 2


def test_many_at_once_are_not_sent_again_before_the_queue_s_number_has_caught_up(engine: Engine) -> None:
    for _ in range(WITHOUT_PROOF * 2):
        engine.store.put(an_order())
    engine.clock.advance(60)
    assert engine.reconcile() == WITHOUT_PROOF * 2
    engine.clock.advance(AGAIN_SECONDS + 15)
    assert engine.reconcile() == 0
    engine.clock.advance(MANY_AGAIN_SECONDS)
    assert engine.reconcile() == WITHOUT_PROOF * 2, "sent again if the messages were lost once more"


def test_an_order_that_a_worker_has_is_left_to_it(engine: Engine) -> None:
    order_id = engine.place().id
    engine.clock.advance(14)
    engine.store.claim(order_id, Lease("worker", 18))
    engine.clock.advance(2)
    assert engine.reconcile() == 0
    engine.clock.advance(29)
    assert engine.reconcile() == 1


def test_an_end_that_cannot_be_shown_does_not_keep_the_others_untold(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [engine.place().id for _ in range(3)]
    engine.events.outage = True
    for order_id in ids:
        engine.cancel(order_id)
    engine.events.outage = False
    send = engine.events.send

    def stumble(history: History, *, connection_id: str | None = None, repeat: bool = False) -> None:
        if history.order.id == ids[0]:
            raise ZeroDivisionError
        send(history, connection_id=connection_id, repeat=repeat)

    monkeypatch.setattr(engine.events, "send", stumble)
    engine.clock.advance(60)
    assert engine.reconcile() == 2
    assert {sent.history.order.id for sent in engine.events.sent} == set(ids[1:])
    assert [event for event, _ in engine.telemetry.exceptions] == ["end_not_told"]
    assert engine.telemetry.total("EndsNotTold") == 1


def test_a_run_ends_in_time_and_leaves_the_rest_to_the_next(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(BATCH * 4):
        engine.store.put(an_order())
    send_many = engine.queue.send_many

    def slowly(order_ids: Sequence[str]) -> None:
        engine.clock.advance(20)
        send_many(order_ids)

    monkeypatch.setattr(engine.queue, "send_many", slowly)
    engine.clock.advance(60)
    until = engine.clock.in_seconds(46)
    assert engine.reconcile() == BATCH * 2
    assert engine.clock.now() < until
    assert engine.reconcile() == BATCH * 2


def test_every_key_past_its_time_is_forgotten_however_many(engine: Engine) -> None:
    for number in range(KEYS_A_BATCH * 3 + 1):
        engine.store.insert(an_order(), Idempotency(f"key-{number}", "fingerprint"))
    engine.clock.advance(47 * 3600)
    engine.reconcile()
    assert len(engine.store.keys) == KEYS_A_BATCH * 3 + 1
    engine.clock.advance(2 * 3600)
    engine.reconcile()
    assert engine.store.keys == {}


def test_forgetting_keys_ends_in_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(KEYS_A_BATCH * 3):
        engine.store.insert(an_order(), Idempotency(f"key-{number}", "fingerprint"))
    engine.clock.advance(49 * 3600)
    forget = engine.store.delete_expired_idempotency_keys

    def slowly() -> int:
        engine.clock.advance(30)
        return forget()

    monkeypatch.setattr(engine.store, "delete_expired_idempotency_keys", slowly)
    engine.reconcile()
    assert len(engine.store.keys) == KEYS_A_BATCH


def test_without_a_database_the_run_fails(engine: Engine) -> None:
    engine.store.outages.everything = True
    with pytest.raises(Unavailable):
        engine.reconcile()
