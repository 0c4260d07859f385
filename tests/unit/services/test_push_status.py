"""Pushing histories to followers: in order, without a gap, whatever becomes of single connections."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.followers import HANDSHAKE_AGE, Delivery, Follower
from chalicelib.ports.runtime import CrashPoint
from chalicelib.services.posting import (
    BETWEEN_TRIES_SECONDS,
    HANDSHAKE_TIMEOUT_SECONDS,
    MAX_TRIES,
    RECORD_PAUSE_SECONDS,
    RECORD_TRIES,
    Postponed,
    Push,
    Pusher,
)
from chalicelib.services.push_status import push_newest
from chalicelib.services.views import history_view
from tests.fakes import Behaviour, CrashAt, Killed, MemoryFollowers, MemoryNotifier
from tests.fakes.engine import Engine
from tests.fakes.streams import a_pusher

BUSY, GONE = Delivery.BUSY, Delivery.GONE


def push_status(push: Push, pusher: Pusher, until: datetime | None = None) -> None:
    """As `push_newest`, of a message alone."""
    push_newest([push], pusher, until)


@dataclass
class Stream:
    """An order that ran to its end, and the pusher of its status events."""

    engine: Engine
    order_id: str
    followers: MemoryFollowers
    notifier: MemoryNotifier
    threads: ThreadPoolExecutor
    requeued: list[Push] = field(default_factory=list)
    queue_outage: bool = False

    def pusher(self, crash: CrashPoint | None = None) -> Pusher:
        changes = {"crash_point": crash or CrashAt(), "requeue": self.requeue}
        return a_pusher(self.engine, self.followers, self.notifier, self.threads, **changes)

    def requeue(self, push: Push) -> None:
        if self.queue_outage:
            raise Unavailable("The queue is down.")
        self.requeued.append(push)

    def follow(self, connection_id: str = "c", after: int = 0, *, age: float = 60) -> None:
        connected_at = self.engine.clock.now() - timedelta(seconds=age)
        self.followers.add(Follower(self.order_id, connection_id, after, connected_at))

    def history(self, sequence: int = 5) -> Push:
        """The message that was queued when the order had so many events."""
        sent = next(sent for sent in self.engine.events.sent if sent.history.order.sequence == sequence)
        return Push(history_view(sent.history))

    def push(self, sequence: int = 5, crash: CrashPoint | None = None) -> None:
        push_status(self.history(sequence), self.pusher(crash))

    def drain(self) -> int:
        """Delivers what stands in followers' own groups as SQS does, until nothing is left; gives how many tries."""
        tries = 0
        while self.requeued:
            tries += 1
            push = self.requeued[0]
            try:
                push_status(push, self.pusher())
            except Postponed as later:
                self.engine.clock.advance(later.seconds)
                self.requeued[0] = replace(push, tries=push.tries + 1)
            else:
                self.requeued.remove(push)
        return tries

    def last(self, connection_id: str = "c") -> int:
        return self.followers.last_sequence(self.order_id, connection_id)


@pytest.fixture
def stream(engine: Engine) -> Iterator[Stream]:
    order_id = engine.place().id
    engine.run(order_id)
    with ThreadPoolExecutor(8) as threads:
        yield Stream(engine, order_id, MemoryFollowers(), MemoryNotifier(engine.clock), threads)


def test_a_follower_gets_every_status_in_order(stream: Stream) -> None:
    stream.follow()
    stream.push()
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]
    assert stream.last() == 5
    # Whether followers heard the end is logged for everybody to read; what comes before it is for who looks closer.
    stream.push(2)
    telemetry = stream.engine.telemetry
    logged = [line for line in (*telemetry.lines, *telemetry.steps) if line.event == "status_pushed"]
    assert [(line.fields["sequence"], line.fields["frames"]) for line in logged] == [(5, 5), (2, 0)]


@pytest.mark.parametrize(("seconds_left", "frames"), [(1, [1, 2, 3, 4, 5]), (0, []), (-60, [])])
def test_nothing_is_sent_once_a_session_is_over(stream: Stream, seconds_left: int, frames: list[int]) -> None:
    now = stream.engine.clock.now()
    stream.followers.add(Follower(stream.order_id, "c", 0, now, session_ends_at=now + timedelta(seconds=seconds_left)))
    stream.follow("other")
    stream.push()
    assert stream.notifier.sequences("c") == frames
    assert stream.notifier.sequences("other") == [1, 2, 3, 4, 5]
    # It stays a follower, for the heartbeat to tell it and to close.
    assert (stream.order_id, "c") in stream.followers.rows


def test_what_a_frame_holds(stream: Stream) -> None:
    stream.follow()
    stream.push()
    frames = stream.notifier.frames["c"]
    order = stream.engine.order(stream.order_id)
    messages = {event.sequence: event.message for event in stream.engine.history(stream.order_id).events}
    assert order.transaction is not None
    assert [frame["status"] for frame in frames] == ["pending", "routing", "building", "submitted", "confirmed"]
    for frame in frames:
        assert (frame["type"], frame["orderId"]) == ("status", stream.order_id)
        assert (frame["attempt"], frame["message"]) == (1, messages[frame["sequence"]])
        assert frame["at"].endswith("Z")
        assert "error" not in frame
    assert frames[2]["meta"]["chosenDex"] == "meteora"
    assert [frame["txHash"] for frame in frames] == [None] * 3 + [order.transaction.signature] * 2
    assert ["order" in frame for frame in frames] == [False] * 4 + [True]
    assert frames[-1]["order"]["status"] == "confirmed"


def test_a_failure_is_told_in_the_frame_and_in_its_meta(engine: Engine, stream: Stream) -> None:
    engine.chain.behaviours = {1: Behaviour.REJECTED}
    stream.order_id = engine.place().id
    engine.run(stream.order_id)
    stream.follow()
    push_status(Push(history_view(engine.history(stream.order_id))), stream.pusher())
    frame = stream.notifier.frames["c"][-1]
    assert frame["status"] == "failed"
    assert frame["error"] == frame["meta"]["error"] == frame["order"]["error"]
    assert frame["error"]["retryable"] is False


def test_nothing_is_sent_that_the_follower_has(stream: Stream) -> None:
    stream.follow(after=3)
    stream.push()
    assert stream.notifier.sequences("c") == [4, 5]
    stream.push()
    stream.push(3)
    assert stream.notifier.sequences("c") == [4, 5]
    assert stream.followers.records == 1


def test_whoever_cannot_be_served_in_time_is_served_by_the_next_invocation(stream: Stream) -> None:
    stream.follow("served", after=5)
    stream.follow("left over")
    with pytest.raises(Unavailable, match="the others are served by the next"):
        push_status(stream.history(), stream.pusher(), until=stream.engine.clock.now())
    assert stream.notifier.frames.get("left over", []) == []
    push_status(stream.history(), stream.pusher(), until=stream.engine.clock.in_seconds(1))
    assert stream.notifier.sequences("left over") == [1, 2, 3, 4, 5]


def test_lost_and_late_and_repeated_messages_heal(stream: Stream) -> None:
    stream.follow()
    for sequence in (2, 2, 4, 3, 2, 5, 4, 5):
        stream.push(sequence)
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]
    assert ["order" in frame for frame in stream.notifier.frames["c"]] == [False, True, False, True, True]


def test_many_followers_are_all_served(stream: Stream) -> None:
    names = [f"c{number}" for number in range(500)]
    for number, name in enumerate(names):
        stream.follow(name, after=number % 6)
    stream.push()
    for number, name in enumerate(names):
        assert stream.notifier.sequences(name) == list(range(number % 6 + 1, 6))
    assert stream.engine.telemetry.total("PushedMessages") == sum(5 - number % 6 for number in range(500))


def test_followers_are_served_at_once(stream: Stream) -> None:
    together = threading.Barrier(4)

    class Meeting(MemoryNotifier):
        def post(self, connection_id: str, text: str) -> Delivery:
            together.wait(10)
            return super().post(connection_id, text)

    stream.notifier = Meeting(stream.engine.clock)
    for name in "abcd":
        stream.follow(name, after=4)
    stream.push()
    assert all(stream.notifier.sequences(name) == [5] for name in "abcd")


def test_a_message_for_one_follower_serves_nobody_else(stream: Stream) -> None:
    stream.follow("a")
    stream.follow("b")
    push_status(replace(stream.history(), connection_id="a"), stream.pusher())
    assert stream.notifier.sequences("a") == [1, 2, 3, 4, 5]
    assert stream.notifier.posts["b"] == 0
    push_status(replace(stream.history(), connection_id="left meanwhile"), stream.pusher())


@pytest.mark.parametrize("after", [0, 2])
def test_a_crash_between_post_and_record_repeats_with_the_same_sequence_only(stream: Stream, after: int) -> None:
    stream.follow(after=after)
    with pytest.raises(Killed):
        stream.push(4, CrashAt("after_post"))
    stream.push(4)
    stream.push(5)
    once = list(range(after + 1, 5))
    assert stream.notifier.sequences("c") == [*once, *once, 5]
    frames = stream.notifier.frames["c"]
    assert frames[: len(once)] == frames[len(once) : 2 * len(once)]


# 410


def test_an_old_connection_that_is_gone_is_forgotten(stream: Stream) -> None:
    stream.follow("gone", age=HANDSHAKE_AGE.total_seconds())
    stream.follow("here")
    stream.notifier.gone = {"gone"}
    stream.push()
    assert stream.notifier.posts["gone"] == 1
    assert (stream.order_id, "gone") not in stream.followers.rows
    assert stream.notifier.sequences("here") == [1, 2, 3, 4, 5]
    assert stream.requeued == []
    assert stream.engine.telemetry.total("FollowersDropped", reason="gone") == 1


def test_a_young_connection_is_waited_for_in_place(stream: Stream) -> None:
    stream.follow(age=0)
    stream.notifier.opens_at["c"] = stream.engine.clock.in_seconds(0.3)
    stream.push()
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]
    assert stream.requeued == []


def test_a_young_connection_that_takes_longer_goes_through_the_queue(stream: Stream) -> None:
    stream.follow(age=0)
    stream.notifier.opens_at["c"] = stream.engine.clock.in_seconds(2)
    start = stream.engine.clock.now()
    stream.push()
    assert stream.notifier.sequences("c") == []
    waited = stream.engine.clock.now() - start
    assert timedelta(seconds=HANDSHAKE_TIMEOUT_SECONDS) <= waited < timedelta(seconds=HANDSHAKE_TIMEOUT_SECONDS + 0.1)
    assert stream.requeued == [Push(stream.history().history, "c", apart=True)]
    # From then on it holds up nobody: what it cannot be told yet comes again.
    again = stream.engine.clock.now()
    with pytest.raises(Postponed, match=f"It comes again in {BETWEEN_TRIES_SECONDS} s"):
        push_status(stream.requeued[0], stream.pusher())
    assert stream.engine.clock.now() == again
    stream.drain()
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]


def test_a_connection_that_never_opens_is_given_up(stream: Stream) -> None:
    stream.follow(age=0)
    stream.notifier.gone = {"c"}
    start = stream.engine.clock.now()
    stream.push()
    # From its own group nothing is sent on: the chain of invocations has an end, see decision 0042.
    stream.queue_outage = True
    stream.drain()
    assert stream.followers.rows == {}
    assert stream.engine.clock.now() - start >= HANDSHAKE_AGE


@pytest.mark.parametrize("pushes", [[5], [2, 5]], ids=["in one push", "in an earlier push"])
def test_one_that_was_reached_and_is_gone_now_is_not_waited_for(stream: Stream, pushes: list[int]) -> None:
    """A client that comes and goes used to hold up its order's others for a second each time."""
    stream.follow(age=0)
    start = stream.engine.clock.now()
    stream.notifier.refusals["c"] = [Delivery.DELIVERED, Delivery.DELIVERED, GONE]
    for sequence in pushes:
        stream.push(sequence)
    assert stream.engine.clock.now() == start
    assert stream.followers.rows == {}


# Throttled, 5xx, timed out


def test_a_busy_connection_waits_at_the_end_of_the_queue_and_holds_up_nobody(stream: Stream) -> None:
    stream.follow("busy")
    stream.follow("free")
    stream.notifier.refusals["busy"] = [BUSY]
    stream.push()
    assert stream.notifier.sequences("free") == [1, 2, 3, 4, 5]
    assert stream.requeued == [Push(stream.history().history, "busy", apart=True)]
    stream.drain()
    assert stream.notifier.sequences("busy") == [1, 2, 3, 4, 5]
    assert stream.last("busy") == 5


def test_one_that_gave_way_stays_in_its_own_group_and_is_posted_to_from_there_alone(stream: Stream) -> None:
    """Two groups that both post to it would tell it the newer status first."""
    stream.follow()
    stream.notifier.refusals["c"] = [BUSY]
    for sequence in (2, 3, 5):
        stream.push(sequence)
        assert stream.notifier.frames.get("c", []) == []
    assert stream.requeued == [Push(stream.history(sequence).history, "c", apart=True) for sequence in (2, 3, 5)]
    assert stream.engine.telemetry.total("PushedMessages") == 0
    stream.drain()
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]


def test_one_that_subscribed_anew_is_told_in_the_order_s_group_again(stream: Stream) -> None:
    stream.follow()
    stream.notifier.refusals["c"] = [BUSY]
    stream.push(3)
    stream.follow(age=59)
    stream.drain()
    assert stream.notifier.frames.get("c", []) == []
    stream.push(5)
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]


def test_a_post_that_took_the_rest_of_the_invocation_is_followed_by_nothing(stream: Stream) -> None:
    """Table and queue may hang too: killed at its time-out, it would leave the message to the visibility timeout."""

    class Slow(MemoryNotifier):
        def post(self, connection_id: str, text: str) -> Delivery:
            stream.engine.clock.advance(2)
            return super().post(connection_id, text)

    stream.notifier = Slow(stream.engine.clock)
    stream.follow()
    stream.notifier.refusals["c"] = [BUSY]
    with pytest.raises(Unavailable, match="no time left"):
        push_status(stream.history(), stream.pusher(), until=stream.engine.clock.in_seconds(2))
    assert stream.requeued == []
    push_status(stream.history(), stream.pusher(), until=stream.engine.clock.in_seconds(2))
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]
    # What was posted is recorded all the same, once.
    assert (stream.last(), stream.followers.records) == (5, 1)


def test_a_connection_that_stays_busy_is_closed_so_that_its_client_comes_back(stream: Stream) -> None:
    stream.follow()
    stream.notifier.refusals["c"] = [BUSY] * 100
    start = stream.engine.clock.now()
    stream.push()
    assert stream.engine.clock.now() == start
    assert stream.drain() == MAX_TRIES + 1
    assert (stream.engine.clock.now() - start).total_seconds() == MAX_TRIES * BETWEEN_TRIES_SECONDS
    assert stream.notifier.closed == ["c"]
    assert stream.followers.rows == {}
    assert stream.engine.telemetry.total("FollowersDropped", reason="busy") == 1


def test_an_end_that_can_neither_be_told_nor_the_connection_closed_comes_again(stream: Stream) -> None:
    """It used to be forgotten with its connection open: the client would have waited for ever."""
    stream.follow()
    stream.notifier.refusals["c"] = [BUSY] * (MAX_TRIES + 2)
    stream.notifier.unclosable = {"c"}
    stream.push()
    with pytest.raises(Unavailable, match="The connection c can neither be posted to nor closed"):
        stream.drain()
    stream.drain()
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]


def test_before_the_end_one_that_can_not_be_closed_waits_for_the_next_status(stream: Stream) -> None:
    stream.follow()
    stream.notifier.refusals["c"] = [BUSY] * (MAX_TRIES + 2)
    stream.notifier.unclosable = {"c"}
    stream.push(3)
    stream.drain()
    assert stream.notifier.sequences("c") == []
    stream.push(5)
    stream.drain()
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("failures", [1, RECORD_TRIES - 1, RECORD_TRIES])
def test_what_was_posted_is_recorded_although_the_table_is_throttled(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    """One failed record used to repeat every status that had been posted."""
    record, outages = stream.followers.record, iter(range(failures))

    def throttled(follower: Follower, sequence: int) -> None:
        if next(outages, None) is not None:
            raise Unavailable("Throttled.")
        record(follower, sequence)

    monkeypatch.setattr(stream.followers, "record", throttled)
    stream.follow()
    start = stream.engine.clock.now()
    if failures == RECORD_TRIES:
        with pytest.raises(Unavailable, match="Throttled"):
            stream.push()
        return
    stream.push()
    assert stream.last() == 5
    waits = sum(RECORD_PAUSE_SECONDS * 2**tries for tries in range(failures))
    assert (stream.engine.clock.now() - start).total_seconds() == pytest.approx(waits)


def test_what_was_sent_is_recorded_even_when_the_rest_cannot_be_queued(stream: Stream) -> None:
    stream.follow()
    stream.notifier.refusals["c"] = [Delivery.DELIVERED, Delivery.DELIVERED, BUSY]
    stream.queue_outage = True
    with pytest.raises(Unavailable):
        stream.push()
    assert stream.last() == 2
    stream.queue_outage = False
    stream.push()
    stream.drain()
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]


def test_an_outage_is_reported_when_every_follower_is_through(stream: Stream) -> None:
    """Otherwise a frozen container would go on with the rest later, beside whoever got the message next."""
    late = threading.Event()

    class SlowForB(MemoryNotifier):
        def post(self, connection_id: str, text: str) -> Delivery:
            if connection_id == "b":
                late.wait(0.2)
            return super().post(connection_id, text)

    stream.notifier = SlowForB(stream.engine.clock)
    stream.queue_outage = True
    stream.follow("a", after=4)
    stream.follow("b", after=4)
    stream.notifier.refusals["a"] = [BUSY]
    with pytest.raises(Unavailable):
        stream.push()
    assert stream.notifier.sequences("b") == [5]
    assert stream.last("b") == 5


# A batch's messages of one order


@pytest.mark.parametrize(
    ("messages", "a", "b"),
    [
        ([], 0, 0),
        ([(2, None), (3, None), (4, None), (5, None)], 5, 5),
        ([(4, None), (2, None), (3, None)], 4, 4),
        # Covered by a newer one for all, and newer than what all are told.
        ([(3, "a"), (4, None)], 4, 4),
        ([(3, None), (5, "a")], 5, 3),
        ([(2, "a"), (5, "a")], 5, 0),
        ([(5, "a"), (2, "a")], 5, 0),
        ([(3, "a"), (2, "b")], 3, 2),
    ],
)
def test_of_a_batch_s_messages_the_newest_counts_for_everybody_whom_it_is_for(
    stream: Stream, messages: list[tuple[int, str | None]], a: int, b: int
) -> None:
    stream.follow("a")
    stream.follow("b")
    pushes = [replace(stream.history(sequence), connection_id=whom) for sequence, whom in messages]
    push_newest(pushes, stream.pusher())
    for name, last in (("a", a), ("b", b)):
        assert stream.notifier.sequences(name) == list(range(1, last + 1))


def test_a_message_for_one_is_covered_by_one_for_all_that_is_as_new(stream: Stream) -> None:
    stream.follow()
    push_newest([stream.history(4), replace(stream.history(4), connection_id="c")], stream.pusher())
    assert len(stream.engine.telemetry.logged("status_pushed")) == 1


def test_all_messages_of_a_batch_must_be_served_in_time(stream: Stream) -> None:
    stream.follow()
    for pushes in ([stream.history()], [replace(stream.history(), connection_id="c")]):
        with pytest.raises(Unavailable, match="the others are served by the next"):
            push_newest(pushes, stream.pusher(), until=stream.engine.clock.now())
