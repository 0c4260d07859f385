"""A worker's way through an order: every path that ends without a crash."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from statistics import median

import pytest

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.order import MAX_ATTEMPTS, Failure, SignedTransaction
from chalicelib.domain.quotes import VENUES, NoQuote, Quote
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.orders import Lease
from chalicelib.services.execute_order import MAX_FREE_RESTARTS
from chalicelib.services.worker import Ack, ExecutionTimings, RetryAfter
from tests.fakes import Behaviour, CrashAt, Killed, a_quote, an_order, new_order, no_quote
from tests.fakes.builders import METEORA, ONE_SOL, RAYDIUM
from tests.fakes.engine import VISIBILITY_SECONDS, Engine

B = Behaviour


def test_the_happy_path(engine: Engine) -> None:
    order_id = engine.place().id
    assert engine.run(order_id) == Ack()
    assert engine.statuses(order_id) == ["pending", "routing", "building", "submitted", "confirmed"]
    engine.audit(order_id)
    order = engine.order(order_id)
    assert order.attempt == 1
    assert order.route is not None
    assert order.route.chosen.venue == METEORA
    assert order.transaction is not None
    assert order.fill is not None
    assert order.failure is None


def test_where_the_claim_does_not_start_it_the_worker_does(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own clock the database may take an order for expired that by the worker's is not."""
    claim = engine.store.claim
    monkeypatch.setattr(engine.store, "claim", lambda order_id, lease, _start: claim(order_id, lease))
    order_id = engine.place().id
    assert engine.run(order_id) == Ack()
    assert engine.statuses(order_id) == ["pending", "routing", "building", "submitted", "confirmed"]
    assert engine.history(order_id).events[1].message == "Asking Raydium and Meteora for quotes."


def test_every_step_is_published_as_the_whole_history_so_far(engine: Engine) -> None:
    order_id = engine.place().id
    engine.run(order_id)
    histories = [sent.history for sent in engine.events.sent]
    assert [history.order.sequence for history in histories] == [2, 3, 4, 5]
    for history in histories:
        assert [event.sequence for event in history.events] == list(range(1, history.order.sequence + 1))
        assert history.events[-1].status is history.order.status


def test_what_the_events_tell(engine: Engine) -> None:
    order_id = engine.place().id
    engine.run(order_id)
    _, routing, building, submitted, confirmed = engine.history(order_id).events
    order = engine.order(order_id)
    assert order.transaction is not None
    assert order.route is not None
    assert order.fill is not None
    assert routing.message == "Asking Raydium and Meteora for quotes."
    assert building.meta["chosenDex"] == "meteora"
    assert building.meta["expectedOutput"] == "169"
    assert building.meta["minimumOutput"] == "168.155"
    assert building.meta["reason"] == order.route.reason
    assert building.meta["steps"] == list(order.route.steps) != []
    assert isinstance(building.meta["quotes"], list)
    assert len(building.meta["quotes"]) == 2
    assert (building.meta["expectedInput"], building.meta["unavailable"]) == ("1", [])
    assert submitted.meta["txHash"] == confirmed.meta["txHash"] == order.transaction.signature
    assert confirmed.meta["finalExecutionPrice"] == "168.155"
    assert confirmed.meta["executedInput"] == {"amount": "1", "baseUnits": "1000000000", "token": "SOL"}
    assert confirmed.meta["fee"] == {"amount": "0.0025", "baseUnits": "2500000", "token": "SOL"}
    assert confirmed.message == "Swapped 1 SOL for 168.155 USDC."


def test_the_decision_is_logged_and_measured(engine: Engine) -> None:
    engine.run(engine.place().id)
    (line,) = engine.telemetry.logged("route_chosen")
    assert str(line.fields["reason"]).startswith("meteora gives")
    assert engine.telemetry.total("VenueChosen", venue="meteora") == 1
    assert engine.telemetry.total("QuoteSpreadBps") == 242
    assert engine.telemetry.total("OrdersConfirmed") == 1
    assert engine.telemetry.total("SlippageBps") == 50
    assert engine.telemetry.total("OrderAttempts") == 1


def test_the_time_in_each_state_is_measured_in_milliseconds(engine: Engine) -> None:
    order_id = engine.store.put(an_order()).order.id
    engine.run(order_id)
    states = {
        sample.dimensions["status"]: sample.value for sample in engine.telemetry.samples if sample.metric == "StateMs"
    }
    assert states.keys() == {"pending", "routing", "building", "submitted"}
    # A second to sign and one and a half to submit.
    assert states["building"] == 2_500


def test_the_signature_is_stored_before_anything_is_submitted(engine: Engine) -> None:
    stored: list[SignedTransaction | None] = []
    engine.chain.on_send = lambda order: stored.append(engine.order(order.id).transaction)
    order_id = engine.place().id
    engine.run(order_id)
    assert stored == [engine.order(order_id).transaction]
    assert stored[0] is not None


@pytest.mark.parametrize("failing", [B.REVERTS, B.DROPPED, B.CANNOT_BE_BUILT])
def test_a_failed_attempt_is_tried_again(engine: Engine, failing: Behaviour) -> None:
    engine.chain.behaviours = {1: failing}
    order_id = engine.place().id
    engine.drive(order_id)
    engine.audit(order_id)
    order = engine.order(order_id)
    assert (order.status, order.attempt) == (OrderStatus.CONFIRMED, 2)
    retry = next(event for event in engine.history(order_id).events if event.attempt == 2)
    assert retry.status is OrderStatus.ROUTING
    assert "Attempt 1 of 3 failed" in retry.message
    assert retry.meta["attempt"] == 2
    assert "error" in retry.meta
    assert order.failure is None


def test_retries_wait_exponentially_longer(engine: Engine) -> None:
    engine.router.answers = {attempt: [no_quote(venue) for venue in VENUES] for attempt in (1, 2, 3)}
    order_id = engine.place().id
    verdicts = [engine.run(order_id)]
    engine.clock.advance(1)
    verdicts.append(engine.run(order_id))
    assert verdicts == [RetryAfter(1), RetryAfter(2)]


def test_a_retry_that_is_not_due_is_left_alone(engine: Engine) -> None:
    engine.chain.behaviours = {1: B.CANNOT_BE_BUILT}
    order_id = engine.place().id
    assert engine.run(order_id) == RetryAfter(1)
    assert engine.run(order_id) == RetryAfter(1)
    engine.clock.advance(0.5)
    assert engine.run(order_id) == RetryAfter(0.5)
    assert engine.order(order_id).status is OrderStatus.ROUTING


@pytest.mark.parametrize(
    ("failing", "code"),
    [
        (B.REVERTS, ErrorCode.SLIPPAGE_EXCEEDED),
        (B.DROPPED, ErrorCode.TRANSACTION_EXPIRED),
        (B.CANNOT_BE_BUILT, ErrorCode.NO_QUOTE),
    ],
)
def test_three_attempts_then_it_failed(engine: Engine, failing: Behaviour, code: ErrorCode) -> None:
    engine.chain.behaviours = dict.fromkeys(range(1, 10), failing)
    order_id = engine.place().id
    engine.drive(order_id)
    engine.audit(order_id)
    order = engine.order(order_id)
    assert (order.status, order.attempt) == (OrderStatus.FAILED, MAX_ATTEMPTS)
    assert order.failure is not None
    assert (order.failure.code, order.failure.retryable) == (code, True)
    last = engine.history(order_id).events[-1]
    assert last.message == f"Failed after 3 attempts: {order.failure.message}"
    assert last.meta["error"] == {
        "code": order.failure.code,
        "message": order.failure.message,
        "retryable": True,
    }
    assert engine.telemetry.total("OrdersFailed", code=order.failure.code) == 1
    attempts = [event.attempt for event in engine.history(order_id).events if event.status is OrderStatus.ROUTING]
    assert attempts == [1, 2, 3]


@pytest.mark.parametrize(
    ("failing", "message"),
    [
        (B.REJECTED, "The pool refuses the order for good."),
        (B.REVERTS_FOR_GOOD, "The price moved past the limit."),
    ],
)
def test_rejected_is_failed_at_once(engine: Engine, failing: Behaviour, message: str) -> None:
    engine.chain.behaviours = {1: failing}
    order_id = engine.place().id
    assert engine.run(order_id) == Ack()
    engine.audit(order_id)
    order = engine.order(order_id)
    assert (order.status, order.attempt) == (OrderStatus.FAILED, 1)
    assert order.failure is not None
    assert (order.failure.message, order.failure.retryable) == (message, False)
    end = engine.history(order_id).events[-1]
    assert end.message == f"Failed after 1 attempt: {order.failure.message}"
    assert end.meta["attempt"] == 1


def test_refused_by_every_venue_is_failed_at_once(engine: Engine) -> None:
    code = ErrorCode.INSUFFICIENT_LIQUIDITY
    engine.router.answers = {1: [no_quote(venue, code=code, retryable=False) for venue in VENUES]}
    order_id = engine.place().id
    assert engine.run(order_id) == Ack()
    engine.audit(order_id)
    assert engine.statuses(order_id) == ["pending", "routing", "failed"]
    assert (failure := engine.order(order_id).failure) is not None
    assert failure.code is code


def test_a_quote_that_expired_is_not_built_on(engine: Engine) -> None:
    order_id = engine.place().id
    order = engine.order(order_id)
    engine.store.put(replace(an_order(OrderStatus.BUILDING, sequence=3), id=order.id))
    engine.clock.advance(31)
    assert engine.run(order_id) == Ack()
    engine.audit(order_id)
    again = engine.history(order_id).events[3]
    assert (again.status, again.attempt) == (OrderStatus.ROUTING, 1)
    assert again.message == (
        "The quote expired before the swap could be built. Asking the venues again; this does not use up an attempt."
    )
    assert isinstance(again.meta["error"], dict)
    assert again.meta["error"]["code"] == ErrorCode.QUOTE_EXPIRED
    assert engine.order(order_id).attempt == 1


def test_a_worker_that_is_late_again_and_again_comes_to_an_end(engine: Engine) -> None:
    """Each quote is too old by the time that its order is taken up: some are free, the rest are the order's three."""
    order_id = engine.place().id
    for _ in range(100):
        # The invocation ends behind the route, and the next one comes after half a minute.
        engine.router.on_quotes = lambda _: engine.clock.advance(16)
        verdict = engine.run(order_id)
        if isinstance(verdict, Ack):
            break
        engine.clock.advance(31)
    engine.audit(order_id)
    order = engine.order(order_id)
    assert (order.status, order.attempt) == (OrderStatus.FAILED, MAX_ATTEMPTS)
    too_late = "The quote expired before the swap could be built."
    assert order.failure == Failure(ErrorCode.QUOTE_EXPIRED, too_late, retryable=True)
    routings = engine.statuses(order_id).count("routing")
    assert routings == MAX_ATTEMPTS + MAX_FREE_RESTARTS
    assert engine.chain.signed == []


def test_a_transaction_that_expires_unwatched_is_replaced_for_free_so_often_and_no_more(engine: Engine) -> None:
    engine.chain.behaviours = dict.fromkeys(range(1, MAX_ATTEMPTS + 1), B.DROPPED)
    # The invocation ends behind the submission, and the next one comes when the transaction has expired.
    engine.chain.on_send = lambda _: engine.clock.advance(16)
    order_id = engine.place().id
    for _ in range(100):
        if isinstance(engine.run(order_id), Ack):
            break
        engine.clock.advance(60)
    engine.audit(order_id)
    order = engine.order(order_id)
    assert (order.status, order.attempt) == (OrderStatus.FAILED, MAX_ATTEMPTS)
    assert order.failure is not None
    errors = [event.meta.get("error") for event in engine.history(order_id).events]
    unwatched = "The transaction expired while nobody of ours could send it again."
    assert (
        errors.count({"code": "transaction_expired", "message": unwatched, "retryable": True})
        == MAX_FREE_RESTARTS + MAX_ATTEMPTS
    )


@pytest.mark.parametrize(
    ("trouble", "submissions", "logged"),
    [
        ({"behaviours": {1: B.DROPPED_ONCE}}, 2, {}),
        ({"behaviours": {1: B.ACCEPTED_BUT_TIMED_OUT}}, 1, {"submit_unanswered": 1}),
        ({"lands_in": 10}, 1, {}),
        ({"unanswered": 5}, 1, {"chain_unanswered": 5}),
        ({"without_height": 5}, 1, {"chain_unanswered": 5}),
    ],
    ids=["dropped once", "taken without an answer", "slow", "cannot be asked", "cannot tell its height"],
)
def test_a_chain_in_trouble_uses_up_no_attempt_and_is_sent_again_only_what_it_has_not_seen(
    engine: Engine, trouble: dict[str, object], submissions: int, logged: dict[str, int]
) -> None:
    for name, value in trouble.items():
        setattr(engine.chain, name, value)
    order_id = engine.place().id
    engine.drive(order_id)
    engine.audit(order_id)
    assert engine.order(order_id).attempt == 1
    assert engine.statuses(order_id) == ["pending", "routing", "building", "submitted", "confirmed"]
    assert list(engine.chain.submissions.values()) == [submissions]
    assert {event: len(engine.telemetry.logged(event)) for event in logged} == logged


def test_what_the_chain_has_not_seen_is_sent_again_in_steady_steps_until_it_expires(engine: Engine) -> None:
    sent_at: list[datetime] = []
    engine.chain.behaviours = {1: B.DROPPED}
    engine.chain.on_send = lambda order: sent_at.append(engine.clock.now()) if order.attempt == 1 else None
    engine.drive(engine.place().id)
    # From the answer to one submission until the next begins, which takes 1.5 s.
    waits = [(after - before).total_seconds() - 1.5 for before, after in pairwise(sent_at)]
    timings = ExecutionTimings()
    assert len(waits) > 5
    # Longer only where an invocation ended meanwhile.
    assert min(waits) >= timings.resend_seconds
    assert median(waits) <= timings.resend_seconds + timings.poll_seconds


def test_a_refusal_proves_nothing_the_chain_is_asked_until_the_expiry(engine: Engine) -> None:
    engine.chain.behaviours = {1: B.REFUSED}
    order_id = engine.place().id
    engine.drive(order_id)
    engine.audit(order_id)
    order = engine.order(order_id)
    assert (order.status, order.attempt) == (OrderStatus.CONFIRMED, 2)
    retry = next(event for event in engine.history(order_id).events if event.attempt == 2)
    assert retry.meta["error"] == {
        "code": ErrorCode.TRANSACTION_EXPIRED,
        "message": "The chain dropped the transaction and it expired.",
        "retryable": True,
    }


def test_a_chain_that_never_answers_fails_no_order(engine: Engine) -> None:
    engine.chain.unanswered = 10**9
    order_id = engine.place().id
    for _ in range(10):
        verdict = engine.run(order_id)
        assert isinstance(verdict, RetryAfter)
        engine.clock.advance(verdict.seconds)
    assert engine.order(order_id).status is OrderStatus.SUBMITTED
    engine.chain.unanswered = 0
    engine.drive(order_id)
    engine.audit(order_id)
    assert engine.order(order_id).status is OrderStatus.CONFIRMED


def test_a_slow_confirmation_outlives_the_invocation(engine: Engine) -> None:
    engine.chain.lands_in = 40
    order_id = engine.place().id
    assert engine.run(order_id) == RetryAfter(ExecutionTimings().return_seconds)
    assert engine.order(order_id).status is OrderStatus.SUBMITTED
    engine.clock.advance(1)
    engine.drive(order_id)
    engine.audit(order_id)
    assert engine.order(order_id).status is OrderStatus.CONFIRMED
    assert engine.order(order_id).attempt == 1


def test_out_of_time_pauses_where_it_is_and_hands_the_lease_back(engine: Engine) -> None:
    order_id = engine.place().id
    assert engine.run(order_id, seconds=0) == RetryAfter(1)
    assert engine.statuses(order_id) == ["pending", "routing"]
    assert engine.store.rows[order_id].lease_token is None
    engine.clock.advance(1)
    assert engine.run(order_id) == Ack()
    engine.audit(order_id)


def test_whenever_an_invocation_ends_the_next_one_goes_on(engine: Engine) -> None:
    order_id = engine.place().id
    for _ in range(20):
        verdict = engine.run(order_id, seconds=0.05)
        if isinstance(verdict, Ack):
            break
        assert engine.store.rows[order_id].lease_token is None
        engine.clock.advance(verdict.seconds)
    engine.audit(order_id)
    assert engine.statuses(order_id) == ["pending", "routing", "building", "submitted", "confirmed"]
    assert list(engine.chain.submissions.values()) == [1]


@pytest.mark.parametrize("status", [OrderStatus.CONFIRMED, OrderStatus.FAILED, OrderStatus.CANCELLED])
def test_an_order_that_is_over_is_left_as_it_is(engine: Engine, status: OrderStatus) -> None:
    order = engine.store.put(an_order(status, sequence=5)).order
    writes = engine.store.writes
    assert engine.run(order.id) == Ack()
    assert engine.order(order.id) == order
    assert engine.store.writes == writes
    assert engine.chain.submissions == {}


def test_an_order_that_nobody_knows_is_acknowledged(engine: Engine) -> None:
    assert engine.run("ord_unknown") == Ack()
    assert engine.telemetry.logged("order_already_over")[0].fields["status"] == "unknown"


def test_an_order_of_another_worker_comes_again_when_its_lease_ends(engine: Engine) -> None:
    order_id = engine.place().id
    engine.store.claim(order_id, Lease("another", 18))
    engine.clock.advance(5)
    assert engine.run(order_id) == RetryAfter(13)
    assert engine.statuses(order_id) == ["pending"]


def test_the_lease_is_renewed_by_every_write_and_gone_at_the_end(engine: Engine) -> None:
    remaining: list[float] = []

    def look(order_id: str) -> None:
        until = engine.store.rows[order_id].lease_until
        assert until is not None
        remaining.append((until - engine.clock.now()).total_seconds())

    engine.chain.on_sign = lambda order: look(order.id)
    engine.chain.on_send = lambda order: look(order.id)
    order_id = engine.place().id
    engine.run(order_id)
    # Built 1 s after the route was stored, submitted 1.5 s after the signature was.
    assert remaining == [ExecutionTimings().lease_seconds - 1, ExecutionTimings().lease_seconds - 1.5]
    row = engine.store.rows[order_id]
    assert (row.lease_token, row.lease_until, row.next_attempt_at) == (None, None, None)


def test_the_followers_queue_may_be_down_all_along(engine: Engine) -> None:
    engine.events.outage = True
    order_id = engine.place().id
    assert engine.run(order_id) == Ack()
    engine.audit(order_id)
    assert engine.telemetry.total("PublishFailures") == 4
    # Nobody was told, so reconcile is to look at it.
    assert engine.store.rows[order_id].attention_at is not None


def test_an_order_that_would_move_the_market_too_far_fails_before_anything_is_signed(engine: Engine) -> None:
    def far(impact_pct: str) -> list[Quote | NoQuote]:
        quote = a_quote(RAYDIUM, ONE_SOL, expires_at=engine.clock.in_seconds(30))
        return [replace(quote, price_impact_pct=Decimal(impact_pct))]

    engine.router.answers = {1: far("12.5")}
    for maximum, status in ((1_249, OrderStatus.FAILED), (1_250, OrderStatus.CONFIRMED)):
        order_id = engine.place(replace(new_order(), max_price_impact_bps=maximum)).id
        assert engine.run(order_id) == Ack()
        engine.audit(order_id)
        order = engine.order(order_id)
        assert (order.status, order.attempt) == (status, 1)
        if status is OrderStatus.FAILED:
            assert engine.chain.signed == []
            assert order.failure is not None
            assert (order.failure.code, order.failure.retryable) == (ErrorCode.PRICE_IMPACT_TOO_HIGH, False)
            assert "by 12.5 % on raydium; maxPriceImpactBps allows 12.49 %" in order.failure.message
            assert engine.history(order_id).events[-1].meta["priceImpactPct"] == "12.5"


@pytest.mark.parametrize(("soonest", "looks"), [(0.0, 4), (0.8, 2), (1.2, 1), (60.0, 1)])
def test_the_chain_is_asked_from_the_soonest_moment_at_which_it_can_know(
    engine: Engine, soonest: float, looks: int
) -> None:
    """It was asked ten times in the second that no transaction lands sooner than."""
    engine.chain.soonest_confirmation = soonest
    engine.chain.lands_in = 1.2
    asked: list[str] = []

    def note(moment: str) -> None:
        if moment == "before chain.transaction_status":
            asked.append(moment)

    order_id = engine.place().id
    engine.run(order_id, engine.worker(fuse=note))
    assert len(asked) == looks
    # However long it may take, the invocation ends in time.
    assert engine.order(order_id).status is OrderStatus.CONFIRMED


def test_who_takes_a_sent_order_over_asks_at_once(engine: Engine) -> None:
    order_id = engine.place().id
    with pytest.raises(Killed):
        engine.run(order_id, engine.worker(CrashAt("after_commit_submitted")))
    engine.clock.advance(VISIBILITY_SECONDS)
    engine.chain.soonest_confirmation = 60.0
    start = engine.clock.now()
    engine.run(order_id)
    assert engine.order(order_id).status is OrderStatus.CONFIRMED
    assert engine.clock.now() == start
