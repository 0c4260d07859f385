"""Followers that are gone, not there yet or busy: they hold up nobody, and lose nothing."""

import threading
from datetime import timedelta

import pytest

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.followers import HANDSHAKE_AGE, Delivery, Follower
from chalicelib.services.posting import (
    BETWEEN_TRIES_SECONDS,
    HANDSHAKE_TIMEOUT_SECONDS,
    MAX_TRIES,
    RECORD_PAUSE_SECONDS,
    RECORD_TRIES,
    Postponed,
    Push,
)
from tests.fakes import MemoryNotifier
from tests.fakes.streams import OrderStream, push_status

BUSY, GONE = Delivery.BUSY, Delivery.GONE


# 410


def test_an_old_connection_that_is_gone_is_forgotten(stream: OrderStream) -> None:
    stream.follow("gone", age=HANDSHAKE_AGE.total_seconds())
    stream.follow("here")
    stream.notifier.gone = {"gone"}
    stream.push()
    assert stream.notifier.posts["gone"] == 1
    assert (stream.order_id, "gone") not in stream.followers.rows
    assert stream.notifier.sequences("here") == [1, 2, 3, 4, 5]
    assert stream.requeued == []
    assert stream.engine.telemetry.total("FollowersDropped", reason="gone") == 1


def test_a_young_connection_is_waited_for_in_place(stream: OrderStream) -> None:
    stream.follow(age=0)
    stream.notifier.opens_at["c"] = stream.engine.clock.in_seconds(0.3)
    stream.push()
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]
    assert stream.requeued == []


def test_a_young_connection_that_takes_longer_goes_through_the_queue(stream: OrderStream) -> None:
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


def test_a_connection_that_never_opens_is_given_up(stream: OrderStream) -> None:
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
def test_one_that_was_reached_and_is_gone_now_is_not_waited_for(stream: OrderStream, pushes: list[int]) -> None:
    """A client that comes and goes used to hold up its order's others for a second each time."""
    stream.follow(age=0)
    start = stream.engine.clock.now()
    stream.notifier.refusals["c"] = [Delivery.DELIVERED, Delivery.DELIVERED, GONE]
    for sequence in pushes:
        stream.push(sequence)
    assert stream.engine.clock.now() == start
    assert stream.followers.rows == {}


# Throttled, 5xx, timed out


def test_a_busy_connection_waits_at_the_end_of_the_queue_and_holds_up_nobody(stream: OrderStream) -> None:
    stream.follow("busy")
    stream.follow("free")
    stream.notifier.refusals["busy"] = [BUSY]
    stream.push()
    assert stream.notifier.sequences("free") == [1, 2, 3, 4, 5]
    assert stream.requeued == [Push(stream.history().history, "busy", apart=True)]
    stream.drain()
    assert stream.notifier.sequences("busy") == [1, 2, 3, 4, 5]
    assert stream.last("busy") == 5


def test_one_that_gave_way_stays_in_its_own_group_and_is_posted_to_from_there_alone(stream: OrderStream) -> None:
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


def test_one_that_subscribed_anew_is_told_in_the_order_s_group_again(stream: OrderStream) -> None:
    stream.follow()
    stream.notifier.refusals["c"] = [BUSY]
    stream.push(3)
    stream.follow(age=59)
    stream.drain()
    assert stream.notifier.frames.get("c", []) == []
    stream.push(5)
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]


def test_a_post_that_took_the_rest_of_the_invocation_is_followed_by_nothing(stream: OrderStream) -> None:
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


def test_a_connection_that_stays_busy_is_closed_so_that_its_client_comes_back(stream: OrderStream) -> None:
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


def test_an_end_that_can_neither_be_told_nor_the_connection_closed_comes_again(stream: OrderStream) -> None:
    """It used to be forgotten with its connection open: the client would have waited for ever."""
    stream.follow()
    stream.notifier.refusals["c"] = [BUSY] * (MAX_TRIES + 2)
    stream.notifier.unclosable = {"c"}
    stream.push()
    with pytest.raises(Unavailable, match="The connection c can neither be posted to nor closed"):
        stream.drain()
    stream.drain()
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]


def test_before_the_end_one_that_can_not_be_closed_waits_for_the_next_status(stream: OrderStream) -> None:
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
    stream: OrderStream, monkeypatch: pytest.MonkeyPatch, failures: int
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


def test_an_invocation_without_time_records_once_and_waits_for_nothing(
    stream: OrderStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = stream.notifier.post

    def slowly(connection_id: str, text: str) -> Delivery:
        stream.engine.clock.advance(1)
        return post(connection_id, text)

    tried: list[int] = []

    def throttled(follower: Follower, sequence: int) -> None:
        tried.append(sequence)
        raise Unavailable("Throttled.")

    monkeypatch.setattr(stream.notifier, "post", slowly)
    monkeypatch.setattr(stream.followers, "record", throttled)
    stream.follow()
    stream.engine.clock.slept.clear()
    with pytest.raises(Unavailable, match="Throttled"):
        push_status(stream.history(), stream.pusher(), until=stream.engine.clock.in_seconds(1))
    assert (tried, stream.engine.clock.slept) == ([5], [])


def test_what_was_sent_is_recorded_even_when_the_rest_cannot_be_queued(stream: OrderStream) -> None:
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


def test_an_outage_is_reported_when_every_follower_is_through(stream: OrderStream) -> None:
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
