"""Executing an order: claim it, walk it through its states, and settle it at most once whatever dies.

Every step starts from what is stored, so a worker that takes over goes on where the last one stopped. What each step
relies on: the lease fences out a worker that lost the order, and the signed bytes are stored before they are sent.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile

from chalicelib.domain.errors import (
    ErrorCode,
    Fenced,
    LimitNotMet,
    OutcomeUnknown,
    PriceImpactTooHigh,
    Rejected,
    Retryable,
    Unavailable,
    VenueError,
)
from chalicelib.domain.events import (
    AttemptFailed,
    AttemptRestarted,
    LimitMissed,
    Move,
    OrderExpired,
    OrderFailed,
    OrderFilled,
    RouteChosen,
    RoutingStarted,
    TransactionSubmitted,
)
from chalicelib.domain.order import (
    MAX_ATTEMPTS,
    Failure,
    History,
    Order,
    SignedTransaction,
)
from chalicelib.domain.quotes import Route, choose_route
from chalicelib.domain.transitions import WORKABLE, OrderStatus, next_status
from chalicelib.ports.chain import TransactionResult, TransactionStatus
from chalicelib.ports.orders import Claimed, Held, Lease, Settled, Transition
from chalicelib.services.order_metrics import record_fill, record_move, record_route
from chalicelib.services.publish import publish
from chalicelib.services.wake_watcher import wake_watcher
from chalicelib.services.worker import Ack, ExecutionTimings, RetryAfter, Worker

# A firing that misses looks again for so long before the order rests: of those that miss at the first look, a third
# have their price back within three seconds.
LOOKS_SECONDS = 3
LOOK_AGAIN_SECONDS = 1
# So many firings, and the next miss fails the order: its history has an end, and fits one message.
MAX_FIRES = 100
LONGEST_REST_SECONDS = 300
# Outages of ours after which an order is routed anew for free; each adds two events to its history.
MAX_FREE_RESTARTS = 10


def execute_order(order_id: str, *, worker: Worker, timings: ExecutionTimings, until: datetime) -> Ack | RetryAfter:
    """Takes the order as far as it gets before `until`, when the invocation must be over.

    Raises:
        Unavailable: the database cannot be reached; whatever was stored stands, and the message must come again.
    """
    lease = Lease(str(uuid.uuid4()), timings.lease_seconds)
    claim = worker.store.claim(order_id, lease, RoutingStarted(tuple(worker.router.venues)))
    if isinstance(claim, Settled):
        return _handle_finished(order_id, claim, worker)
    if isinstance(claim, Held):
        worker.telemetry.log("order_held", order_id=order_id, seconds=str(claim.seconds))
        return RetryAfter(claim.seconds)
    worker.crash_point("after_claim")
    try:
        execution = _Execution(claim, lease, worker, timings, until)
        if claim.started:
            execution.publish_move()
        return execution.run()
    except Fenced:
        worker.telemetry.warn("order_fenced", order_id=order_id)
        return Ack()
    except Unavailable:
        raise
    except Exception as error:
        _record_failure(error, claim.history.order, lease, worker)
        raise


def _record_failure(error: Exception, order: Order, lease: Lease, worker: Worker) -> None:
    """Keeps what a message that nobody can process died of. Clients see it, so it tells nothing of our insides."""
    failure = Failure(ErrorCode.PROCESSING_FAILED, f"An internal error ({type(error).__name__}).", retryable=True)
    try:
        worker.store.record_failure(order, lease, failure)
    except Unavailable as outage:
        worker.telemetry.warn("defect_not_noted", order_id=order.id, reason=str(outage))


def _handle_finished(order_id: str, claim: Settled, worker: Worker) -> Ack:
    status = claim.history.order.status if claim.history else "unknown"
    worker.telemetry.log("order_already_over", order_id=order_id, status=status)
    if claim.history is not None and claim.history.order.status.is_terminal and not claim.published:
        # The worker that ended it died before it could tell; its message comes sooner than the next reconcile.
        publish(claim.history, store=worker.store, events=worker.events, telemetry=worker.telemetry, repeat=True)
    return Ack()


class _Execution:
    """One worker's turn with one order."""

    def __init__(
        self, claim: Claimed, lease: Lease, worker: Worker, timings: ExecutionTimings, until: datetime
    ) -> None:
        # The next move clears the error that stopped an earlier worker.
        self.history = replace(claim.history, order=replace(claim.history.order, failure=None))
        self.lease = lease
        self.worker = worker
        self.timings = timings
        self.until = until
        self.sent_at: datetime | None = None

    @property
    def order(self) -> Order:
        return self.history.order

    def run(self) -> Ack | RetryAfter:
        steps = {
            OrderStatus.PENDING: self.start,
            OrderStatus.ROUTING: self.choose_route,
            OrderStatus.BUILDING: self.build_and_submit,
            OrderStatus.SUBMITTED: self.await_confirmation,
        }
        while self.order.status in steps:
            if self.expires():
                return Ack()
            if self.out_of_time():
                return self.pause(self.timings.return_seconds)
            retry = steps[self.order.status]()
            if retry is not None:
                return retry
        return Ack()

    def start(self) -> None:
        self.move(RoutingStarted(tuple(self.worker.router.venues)))

    def choose_route(self) -> RetryAfter | None:
        request = self.order.quote_request()
        try:
            quotes = self.worker.router.quotes(request)
            order = self.order
            route = choose_route(request, quotes, order.slippage_bps, order.max_price_impact_bps, guard=order.guard)
        except LimitNotMet as error:
            return self.look_again_or_rest(error)
        except VenueError as error:
            return self.retry_or_fail(error)
        record_route(self.worker.telemetry, self.order, route)
        self.move(RouteChosen(route))
        self.worker.crash_point("after_route")
        return None

    def build_and_submit(self) -> RetryAfter | None:
        retry = self.build() if self.order.transaction is None else self.resume(self.order.transaction)
        if retry is not None or self.order.status is not OrderStatus.BUILDING:
            return retry
        self.worker.crash_point("after_submit")
        self.move(TransactionSubmitted(self.stored_transaction().signature))
        return None

    def build(self) -> RetryAfter | None:
        route = self.chosen_route()
        if self.worker.clock.now() >= route.chosen.expires_at:
            return self.start_over(ErrorCode.QUOTE_EXPIRED, "The quote expired before the swap could be built.")
        try:
            height = self.worker.chain.height()
        except OutcomeUnknown as error:
            self.worker.telemetry.warn("chain_unanswered", order_id=self.order.id, reason=error.message)
            return self.pause(self.timings.return_seconds)
        try:
            transaction = self.worker.swaps.build_swap(self.order, route, height)
        except VenueError as error:
            return self.retry_or_fail(error)
        if self.expires():
            return None
        saved = self.worker.store.save_signed_transaction(self.order, transaction, self.lease)
        self.history = History(saved, self.history.events)
        self.worker.crash_point("after_signature")
        self.send(transaction)
        return None

    def resume(self, transaction: SignedTransaction) -> RetryAfter | None:
        """A worker before us signed this and may have sent it: the chain knows, so it is asked first."""
        result = self.transaction_status(transaction)
        if result.rules_out(transaction):
            return self.start_over(ErrorCode.TRANSACTION_EXPIRED, "The transaction expired before it could be sent.")
        if result.failure is not None:
            return self.retry_or_fail(_error_of(result.failure))
        if result.status is TransactionStatus.UNKNOWN:
            self.send(transaction)
        return None

    def send(self, transaction: SignedTransaction) -> None:
        """Whatever the answer, the transaction counts as submitted: only the chain's own word can end it.

        Even a refusal proves nothing, since another worker may have sent the same bytes before.
        """
        if not transaction.raw:
            return
        try:
            self.worker.chain.send(transaction)
        except VenueError as error:
            self.worker.telemetry.warn("submit_unanswered", order_id=self.order.id, reason=error.message)
        self.sent_at = self.worker.clock.now()

    def await_confirmation(self) -> RetryAfter | None:
        """Waits for the confirmation; sends the same bytes again while the chain has not seen them."""
        transaction = self.stored_transaction()
        self.wait_for_the_soonest_confirmation()
        resend_at = self.worker.clock.now() + timedelta(seconds=self.timings.resend_seconds)
        was_watched = False
        while True:
            result = self.transaction_status(transaction)
            if result.rules_out(transaction):
                late = result.height - transaction.last_valid_height > self.timings.unwatched_blocks
                if late and not was_watched:
                    return self.start_over(
                        ErrorCode.TRANSACTION_EXPIRED,
                        "The transaction expired while nobody of ours could send it again.",
                    )
                expired = "The chain dropped the transaction and it expired."
                return self.retry_or_fail(Retryable(ErrorCode.TRANSACTION_EXPIRED, expired))
            if result.failure is not None:
                return self.retry_or_fail(_error_of(result.failure))
            if result.fill is not None:
                self.worker.crash_point("before_confirmed")
                self.move(OrderFilled(transaction.signature, result.fill))
                record_fill(self.worker.telemetry, self.history)
                return None
            if self.out_of_time():
                return self.pause(self.timings.return_seconds)
            was_watched = True
            if result.status is TransactionStatus.UNKNOWN and self.worker.clock.now() >= resend_at:
                self.send(transaction)
                resend_at = self.worker.clock.now() + timedelta(seconds=self.timings.resend_seconds)
            self.worker.clock.sleep(self.timings.poll_seconds)

    def wait_for_the_soonest_confirmation(self) -> None:
        """Asks nobody what nobody can know yet. Who took the order over asks at once."""
        if self.sent_at is None:
            return
        now = self.worker.clock.now()
        soonest = self.sent_at + timedelta(seconds=self.worker.chain.soonest_confirmation)
        self.worker.clock.sleep(max((min(soonest, self.until) - now).total_seconds(), 0))

    def transaction_status(self, transaction: SignedTransaction) -> TransactionResult:
        try:
            return self.worker.chain.transaction_status(transaction)
        except OutcomeUnknown as error:
            self.worker.telemetry.warn("chain_unanswered", order_id=self.order.id, reason=error.message)
            return TransactionResult(TransactionStatus.PROCESSING, height=0)

    def start_over(self, code: ErrorCode, reason: str) -> RetryAfter | None:
        """Asks the venues anew because nobody worked on the order in time: that costs the trader no attempt.

        An order that this happens to again and again is used up all the same, so that its history has an end.
        """
        # Since it was queued: each firing begins anew.
        since_queued = takewhile(lambda event: event.status is not OrderStatus.PENDING, reversed(self.history.events))
        routings = sum(event.status is OrderStatus.ROUTING for event in since_queued)
        if routings - self.order.attempt >= MAX_FREE_RESTARTS:
            return self.retry_or_fail(Retryable(code, reason))
        self.move(AttemptRestarted(Failure(code, reason, retryable=True)))
        return None

    def retry_or_fail(self, error: VenueError) -> RetryAfter | None:
        failure = Failure(error.code, error.message, error.retryable)
        if error.retryable and self.order.may_rest and self.gives_up(error):
            return self.rest(error)
        if not error.retryable or self.order.attempt >= MAX_ATTEMPTS:
            impact_pct = error.impact_pct if isinstance(error, PriceImpactTooHigh) else None
            self.move(OrderFailed(failure, impact_pct))
            self.worker.telemetry.add_metric("OrdersFailed", code=failure.code)
            return None
        delay = self.timings.first_backoff_seconds * 2.0 ** (self.order.attempt - 1)
        self.move(AttemptFailed(failure, delay), retry_after_seconds=delay)
        return RetryAfter(delay)

    def gives_up(self, error: VenueError) -> bool:
        """Whether this firing is over. A price that was gone on the chain is no venue's trouble: asking again at once
        would be a firing without a look at the market."""
        return error.code is ErrorCode.SLIPPAGE_EXCEEDED or self.order.attempt >= MAX_ATTEMPTS

    def look_again_or_rest(self, error: LimitNotMet) -> RetryAfter | None:
        """Three looks within three seconds, one of an order that is to be filled at once; then it rests, or ends."""
        if not self.order.may_rest:
            self.move(OrderExpired(Failure(error.code, error.message, retryable=True)))
            return None
        asked = next(event for event in reversed(self.history.events) if event.status is OrderStatus.ROUTING)
        elapsed = (self.worker.clock.now() - asked.occurred_at).total_seconds()
        if elapsed + LOOK_AGAIN_SECONDS < LOOKS_SECONDS:
            return self.pause(LOOK_AGAIN_SECONDS)
        return self.rest(error)

    def rest(self, error: VenueError) -> RetryAfter | None:
        """Back to wait for the price; after the last firing that an order has, it fails."""
        order = self.order
        if order.fires >= MAX_FIRES:
            sentence = f"The price was gone at each of {order.fires} firings. The last answer: {error.message}"
            self.move(OrderFailed(Failure(ErrorCode.LIMIT_NOT_MET, sentence, retryable=True)))
            self.worker.telemetry.add_metric("OrdersFailed", code=ErrorCode.LIMIT_NOT_MET)
            return None
        rests_for = min(2 ** min(order.fires, 10), LONGEST_REST_SECONDS)
        self.move(
            LimitMissed(
                failure=Failure(error.code, error.message, retryable=True),
                best=error.best if isinstance(error, LimitNotMet) else None,
                again_in=rests_for,
                fires_from=self.worker.clock.now() + timedelta(seconds=rests_for),
            )
        )
        self.worker.crash_point("after_rest_commit")
        self.worker.telemetry.add_metric("TriggersMissed")
        wake_watcher(order.id, store=self.worker.store, ticks=self.worker.ticks, telemetry=self.worker.telemetry)
        return None

    def expires(self) -> bool:
        """Whether the order's time is over and nothing is signed: then it has expired. A signed one is the chain's."""
        order = self.order
        if order.transaction is not None or not order.has_expired(self.worker.clock.now()):
            return False
        self.move(OrderExpired())
        self.worker.telemetry.add_metric("OrdersExpired")
        return True

    def move(self, event: Move, *, retry_after_seconds: float | None = None) -> None:
        """Stores what happened and what it makes of the order, then tells the followers."""
        transition = Transition(
            before=self.order,
            event=event,
            lease=self.lease,
            release=next_status(self.order.status, event.trigger) not in WORKABLE or retry_after_seconds is not None,
            retry_after_seconds=retry_after_seconds or 0,
        )
        self.history = self.worker.store.advance(self.history, transition)
        self.publish_move()

    def publish_move(self) -> None:
        """What follows a move that is stored."""
        record_move(self.worker.telemetry, self.history)
        self.worker.crash_point(f"after_commit_{self.order.status}")
        publish(self.history, store=self.worker.store, events=self.worker.events, telemetry=self.worker.telemetry)

    def pause(self, seconds: float) -> RetryAfter:
        """Hands the order on, as it is, to whoever gets the message next."""
        self.worker.store.release(self.order, self.lease, seconds)
        self.worker.telemetry.log("order_paused", order_id=self.order.id, status=self.order.status)
        return RetryAfter(seconds)

    def out_of_time(self) -> bool:
        return self.worker.clock.now() >= self.until

    def chosen_route(self) -> Route:
        if self.order.route is None:
            raise ValueError(f"Order {self.order.id} is {self.order.status} without a route.")
        return self.order.route

    def stored_transaction(self) -> SignedTransaction:
        if self.order.transaction is None:
            raise ValueError(f"Order {self.order.id} is {self.order.status} without a transaction.")
        return self.order.transaction


def _error_of(failure: Failure) -> VenueError:
    """What the chain's own word for a failed transaction means for the attempt."""
    kind = Retryable if failure.retryable else Rejected
    return kind(failure.code, failure.message)
