"""The functions behind the queues, called with batches as Lambda makes them."""

import json

import pytest

import app
from chalicelib import bootstrap
from chalicelib.domain.transitions import OrderStatus
from chalicelib.handlers.sqs_batch import POSTPONE_MS, RESERVE_MS
from chalicelib.ports.orders import Lease
from tests.fakes import an_order
from tests.fakes.aws import SCHEDULED, LambdaContext, drain, sqs_event, sqs_record
from tests.unit.handlers.conftest import Stack


def order_record(order_id: str, message_id: str | None = None) -> dict[str, object]:
    return sqs_record(json.dumps({"orderId": order_id}), message_id=message_id)


def failed(*message_ids: str) -> dict[str, object]:
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in message_ids]}


NONE_FAILED = failed()
# Orders


def test_only_what_must_come_again_is_reported(stack: Stack) -> None:
    good, held, over = (stack.engine.place().id for _ in range(3))
    stack.engine.store.claim(held, Lease("another", 1000))
    stack.engine.run(over)
    records = [
        order_record(good, "good"),
        sqs_record("no json", message_id="garbage"),
        order_record(held, "held"),
        order_record(over, "over"),
        order_record("ord_00000000000000000000000000000000", "unknown"),
    ]
    assert stack.execute(*records) == failed("held")
    assert stack.engine.order(good).status is OrderStatus.CONFIRMED
    assert stack.engine.order(held).status is OrderStatus.PENDING


def test_a_message_that_is_none_of_ours_is_archived_at_its_first_delivery(stack: Stack) -> None:
    body = '{"orderId": ["ord_1"]}'
    order_id = stack.engine.place().id
    records = [sqs_record(body, message_id="garbage"), order_record(order_id)]
    assert stack.execute(*records) == NONE_FAILED
    assert stack.engine.order(order_id).status is OrderStatus.CONFIRMED
    (kept,) = stack.archive.kept
    assert (kept.message_id, kept.order_id, kept.body) == ("garbage", None, body)
    assert kept.verdict == "The message garbage names no order."


def test_without_its_archive_it_comes_again(stack: Stack) -> None:
    stack.archive.outage = True
    assert stack.execute(sqs_record("no json", message_id="garbage")) == failed("garbage")
    stack.archive.outage = False
    assert stack.execute(sqs_record("no json", message_id="garbage")) == NONE_FAILED


def test_an_invocation_that_runs_out_of_time_hands_its_orders_on(stack: Stack) -> None:
    order_id = stack.engine.place().id
    event = sqs_event([order_record(order_id, "m")])
    assert app.execute_orders(event, LambdaContext(remaining_ms=4_000)) == failed("m")
    assert stack.engine.statuses(order_id) == ["pending", "routing"]
    assert stack.engine.store.rows[order_id].lease_token is None


def test_an_invocation_without_time_for_a_queue_that_hangs_postpones_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message comes again all the same; a killed invocation would take ten orders' turns along."""
    order_id = stack.engine.place().id
    stack.engine.store.claim(order_id, Lease("another", 1000))
    asked: list[str] = []
    monkeypatch.setattr(bootstrap.orders_queue(), "postpone", lambda handle, _: asked.append(handle))
    event = sqs_event([order_record(order_id, "m")])
    assert app.execute_orders(event, LambdaContext(remaining_ms=RESERVE_MS)) == failed("m")
    assert len(asked) == 1
    claim = stack.engine.store.claim

    def slowly(order_id: str, lease: Lease) -> object:
        stack.engine.clock.advance((RESERVE_MS - POSTPONE_MS) / 1000 + 0.1)
        return claim(order_id, lease)

    monkeypatch.setattr(stack.engine.store, "claim", slowly)
    assert app.execute_orders(event, LambdaContext(remaining_ms=RESERVE_MS)) == failed("m")
    assert len(asked) == 1


# Dead letters


def a_poisonous_order(stack: Stack) -> str:
    """Two workers in a row died on it."""
    order_id = stack.engine.place().id
    stack.engine.store.rows[order_id].fruitless_claims = 2
    return order_id


def test_a_dead_letter_whose_order_is_well_leaves_it_and_is_kept(stack: Stack) -> None:
    order_id = stack.engine.place().id
    assert app.dead_letter(sqs_event([order_record(order_id)]), LambdaContext()) == NONE_FAILED
    assert stack.engine.order(order_id).status is OrderStatus.PENDING
    assert [kept.verdict for kept in stack.archive.kept] == ["enqueued anew soon: pending"]


def test_a_dead_letter_ends_its_order_and_is_kept(stack: Stack) -> None:
    order_id = a_poisonous_order(stack)
    record = sqs_record(json.dumps({"orderId": order_id}), message_id="m", receives=1)
    assert app.dead_letter(sqs_event([record]), LambdaContext()) == NONE_FAILED
    assert stack.engine.order(order_id).status is OrderStatus.FAILED
    (kept,) = stack.archive.kept
    assert (kept.message_id, kept.order_id, kept.body, kept.verdict) == ("m", order_id, record["body"], "failed")
    (message,) = drain(stack.sqs, stack.events_url)
    assert json.loads(message["Body"])["history"]["order"]["status"] == "failed"


def test_a_dead_letter_that_is_none_of_ours_is_kept_all_the_same(stack: Stack) -> None:
    body = "no json"
    record = sqs_record(body, message_id="m")
    assert app.dead_letter(sqs_event([record]), LambdaContext()) == NONE_FAILED
    (kept,) = stack.archive.kept
    assert (kept.order_id, kept.body) == (None, body)


def test_without_its_archive_a_dead_letter_comes_again(stack: Stack) -> None:
    order_id = a_poisonous_order(stack)
    stack.archive.outage = True
    assert app.dead_letter(sqs_event([order_record(order_id, "m")]), LambdaContext()) == failed("m")
    stack.archive.outage = False
    assert app.dead_letter(sqs_event([order_record(order_id, "m")]), LambdaContext()) == NONE_FAILED
    assert len(stack.archive.kept) == 1
    assert stack.engine.statuses(order_id) == ["pending", "failed"]


# The schedule


def test_reconcile_enqueues_what_nobody_works_on(stack: Stack) -> None:
    order = stack.engine.store.put(an_order()).order
    stack.engine.clock.advance(60)
    assert app.reconcile(SCHEDULED, LambdaContext()) == {"repairs": 1}
    (message,) = drain(stack.sqs, stack.orders_url)
    assert json.loads(message["Body"])["orderId"] == order.id
    assert app.reconcile(SCHEDULED, LambdaContext()) == {"repairs": 0}
