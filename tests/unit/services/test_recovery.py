"""Whatever dies, wherever: the order ends, settles at most once, and its history has no gap."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from chalicelib.domain.order import Order, SignedTransaction
from chalicelib.domain.quotes import VENUES, Quote, QuoteRequest, Route, Venue
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.worker import Ack, RetryAfter, Worker
from chalicelib.venues.router import VenueRouter
from localstack.chaos.plan import QUOTE_POINTS
from tests.fakes import Behaviour, CrashAt, Killed, a_quote
from tests.fakes.engine import VISIBILITY_SECONDS, At, Engine, die, fall_silent

B = Behaviour
# Each tells how the chain treats the attempts; all of them end confirmed or failed.
STORIES: dict[str, dict[int, Behaviour]] = {
    "settles": {},
    "dropped once": {1: B.DROPPED_ONCE},
    "accepted but timed out": {1: B.ACCEPTED_BUT_TIMED_OUT},
    "reverted, then settles": {1: B.REVERTS},
    "dropped, then times out": {1: B.DROPPED, 2: B.ACCEPTED_BUT_TIMED_OUT},
    "refused, then settles": {1: B.REFUSED},
    "rejected": {1: B.REJECTED},
    "cannot be built three times": dict.fromkeys((1, 2, 3), B.CANNOT_BE_BUILT),
    "reverted three times": dict.fromkeys((1, 2, 3), B.REVERTS),
}
POINTS = [
    "after_claim", "after_commit_routing", *QUOTE_POINTS, "after_route",
    "after_commit_building", "after_signature", "after_submit", "after_commit_submitted", "before_confirmed",
    "after_commit_confirmed",
]  # fmt: skip


class OneVenue:
    """Quotes at once, always the same."""

    def __init__(self, name: Venue, engine: Engine) -> None:
        self.name = name
        self._engine = engine

    def quote(self, request: QuoteRequest) -> Quote:
        return a_quote(self.name, request.amount, expires_at=self._engine.clock.in_seconds(30))

    def build(self, order: Order, route: Route, height: int) -> SignedTransaction:
        return self._engine.chain.build_swap(order, route, height)


def quoting(worker: Worker, engine: Engine) -> Worker:
    """The same worker with the real router, which has crash points of its own."""
    router = VenueRouter([OneVenue(venue, engine) for venue in VENUES], worker.crash_point, worker.telemetry)
    return replace(worker, router=router, swaps=router)


def told(story: str) -> tuple[Engine, str]:
    engine = Engine()
    engine.chain.behaviours = STORIES[story]
    return engine, engine.place().id


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_at_a_crash_point(engine: Engine, point: str) -> None:
    order_id, received = engine.place().id, engine.clock.now()
    with pytest.raises(Killed):
        engine.run(order_id, quoting(engine.worker(CrashAt(point)), engine))
    died = engine.clock.now()
    seen = [event.sequence for event in engine.history(order_id).events]
    early = engine.run(order_id)
    if point == "after_commit_confirmed":
        assert early == Ack()
    else:
        assert isinstance(early, RetryAfter), "the dead worker's lease still holds"
    # The message was received when the invocation began: when it returns the lease is over.
    engine.clock.advance(VISIBILITY_SECONDS - (died - received).total_seconds())
    assert engine.run(order_id, quoting(engine.worker(), engine)) == Ack()
    engine.audit(order_id)
    assert engine.statuses(order_id) == ["pending", "routing", "building", "submitted", "confirmed"]
    assert [event.sequence for event in engine.history(order_id).events][: len(seen)] == seen
    assert engine.order(order_id).attempt == 1


def test_the_list_of_crash_points_is_complete(engine: Engine) -> None:
    crash = CrashAt()
    engine.run(engine.place().id, quoting(engine.worker(crash), engine))
    assert set(crash.passed) == set(POINTS)


def test_the_end_that_a_dead_worker_did_not_tell_is_told_once_by_the_next_delivery(engine: Engine) -> None:
    order_id = engine.place().id
    with pytest.raises(Killed):
        engine.run(order_id, engine.worker(CrashAt("after_commit_confirmed")))
    assert max(sent.history.order.sequence for sent in engine.events.sent) == 4
    engine.run(order_id)
    told = engine.events.sent[-1]
    # As a repetition: the queue would drop a second message of the same sequence as a duplicate of the first.
    assert (told.history.order.status, told.repeat) == ("confirmed", True)
    count_told = len(engine.events.sent)
    engine.run(order_id)
    assert len(engine.events.sent) == count_told


def every_tick(story: str, make: Callable[[Engine, str, At], None], action: Callable[[str], None]) -> list[str]:
    """Runs the story once for each moment at which a port is called, something happening at that moment."""
    moments: list[str] = []
    for tick in count(1):
        engine, order_id = told(story)
        fuse = At(tick, action)
        make(engine, order_id, fuse)
        if fuse.moment is None:
            return moments
        moments.append(fuse.moment)
        try:
            engine.audit(order_id)
        except AssertionError as error:
            error.add_note(f"{story}: at tick {tick}, {fuse.moment}")
            raise
    raise AssertionError("unreachable")


@pytest.mark.parametrize("story", STORIES)
def test_killed_before_or_after_any_call_of_any_port(story: str) -> None:
    def make(engine: Engine, order_id: str, fuse: At) -> None:
        engine.drive(order_id, engine.worker(fuse=fuse))

    moments = every_tick(story, make, die)
    assert "before store.claim" in moments
    assert "after events.send" in moments


@pytest.mark.parametrize("story", STORIES)
def test_the_answer_of_the_database_or_the_queue_is_lost_at_any_call(story: str) -> None:
    def make(engine: Engine, order_id: str, fuse: At) -> None:
        engine.drive(order_id, engine.worker(fuse=fuse, wired="store events"))

    moments = every_tick(story, make, fall_silent)
    assert "after store.advance" in moments


@pytest.mark.parametrize("story", ["settles", "dropped once", "accepted but timed out", "reverted, then settles"])
def test_killed_again_while_recovering(story: str) -> None:
    for first in (5, 12, 17, 23):

        def make(engine: Engine, order_id: str, fuse: At, first: int = first) -> None:
            with pytest.raises(Killed):
                engine.run(order_id, engine.worker(fuse=At(first, die)))
            engine.clock.advance(VISIBILITY_SECONDS)
            engine.drive(order_id, engine.worker(fuse=fuse))

        assert every_tick(story, make, die)


@pytest.mark.parametrize("story", STORIES)
def test_a_zombie_that_wakes_up_after_its_lease_was_taken_over_writes_nothing(story: str) -> None:
    def make(engine: Engine, order_id: str, fuse: At) -> None:
        asleep = [-1]

        def sleep(_: str) -> None:
            engine.clock.advance(20)
            engine.drive(order_id)
            asleep[0] = engine.store.writes

        fuse.action = sleep
        engine.drive(order_id, engine.worker(fuse=fuse))
        if fuse.moment is not None:
            assert engine.store.writes == asleep[0], f"the zombie wrote after {fuse.moment}"

    assert every_tick(story, make, die)


@pytest.mark.parametrize("story", STORIES)
def test_a_worker_that_stalls_past_every_deadline_and_is_not_relieved(story: str) -> None:
    def make(engine: Engine, order_id: str, fuse: At) -> None:
        fuse.action = lambda _: engine.clock.advance(40)
        engine.drive(order_id, engine.worker(fuse=fuse))

    assert every_tick(story, make, die)


@pytest.mark.parametrize("story", ["settles", "dropped once", "reverted, then settles"])
def test_a_zombie_beside_a_second_worker_that_died_in_the_middle(story: str) -> None:
    for second in (4, 9, 13, 18, 22, 27, 33):

        def make(engine: Engine, order_id: str, fuse: At, second: int = second) -> None:
            asleep = [-1]

            def sleep(_: str) -> None:
                engine.clock.advance(20)
                try:
                    engine.run(order_id, engine.worker(fuse=At(second, die)))
                except Killed:
                    asleep[0] = engine.store.writes

            fuse.action = sleep
            try:
                engine.run(order_id, engine.worker(fuse=fuse))
            finally:
                if asleep[0] >= 0:
                    assert engine.store.writes == asleep[0], f"the zombie wrote after {fuse.moment}"
            engine.clock.advance(VISIBILITY_SECONDS)
            engine.drive(order_id)

        every_tick(story, make, die)


@pytest.mark.parametrize("was_submitted", [False, True])
@pytest.mark.parametrize("status", [OrderStatus.BUILDING, OrderStatus.SUBMITTED])
def test_recovery_with_a_signature_asks_the_chain_first(
    engine: Engine, status: OrderStatus, was_submitted: bool
) -> None:
    order, transaction = engine.sign(status, sent=was_submitted)
    before = dict(engine.chain.submissions)
    sent_while: list[OrderStatus] = []
    engine.chain.on_send = lambda order: sent_while.append(engine.order(order.id).status)
    assert engine.run(order.id) == Ack()
    engine.audit(order.id)
    assert engine.chain.signed == [transaction.signature]
    # It is called submitted only once it was.
    assert sent_while == ([] if was_submitted else [status])
    # What the chain has is not sent again; what it never saw is sent, the same bytes.
    assert engine.chain.submissions == (before if was_submitted else {transaction.signature: 1})


@pytest.mark.parametrize(
    ("status", "away", "attempt"),
    [
        # Nobody worked on it in time: that is not the trader's attempt.
        (OrderStatus.BUILDING, 30, 1),
        # It was sent, and the chain dropped it.
        (OrderStatus.SUBMITTED, 30, 2),
        (OrderStatus.SUBMITTED, 31, 2),
        # It was sent, and nobody was there to send it again.
        (OrderStatus.SUBMITTED, 34, 1),
        (OrderStatus.SUBMITTED, 3600, 1),
    ],
)
def test_past_its_last_block_a_transaction_that_never_landed_gives_way_to_a_new_one(
    engine: Engine, status: OrderStatus, away: int, attempt: int
) -> None:
    order, transaction = engine.sign(status)
    engine.clock.advance(away)
    engine.drive(order.id)
    engine.audit(order.id)
    ended = engine.order(order.id)
    assert (ended.status, ended.attempt) == (OrderStatus.CONFIRMED, attempt)
    assert transaction.signature not in engine.chain.taken
    if status is OrderStatus.BUILDING:
        unsent = {"code": "transaction_expired", "message": "The transaction expired before it could be sent."}
        assert {**unsent, "retryable": True} in [event.meta.get("error") for event in engine.history(order.id).events]


def test_a_transaction_of_before_its_bytes_were_kept_is_asked_about_and_never_sent(engine: Engine) -> None:
    order, built = engine.sign(OrderStatus.BUILDING)
    engine.store.put(replace(order, transaction=replace(built, raw=b"")))
    engine.drive(order.id)
    engine.audit(order.id)
    assert engine.order(order.id).status is OrderStatus.CONFIRMED
    assert built.signature not in engine.chain.submissions


@pytest.mark.parametrize("status", [OrderStatus.BUILDING, OrderStatus.SUBMITTED])
def test_past_its_expiry_a_signature_that_landed_is_confirmed(engine: Engine, status: OrderStatus) -> None:
    order, _ = engine.sign(status, sent=True)
    engine.clock.advance(300)
    assert engine.run(order.id) == Ack()
    engine.audit(order.id)
    assert engine.order(order.id).attempt == 1
