"""Pushing histories to followers: in order, without a gap, each status once."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.followers import Delivery, Follower
from chalicelib.services.posting import Push
from chalicelib.services.push_status import push_newest
from chalicelib.services.views import history_view
from tests.fakes import Behaviour, CrashAt, Killed, MemoryNotifier
from tests.fakes.engine import Engine
from tests.fakes.streams import OrderStream, push_status


def test_a_follower_gets_every_status_in_order(stream: OrderStream) -> None:
    stream.follow()
    stream.push()
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]
    assert stream.last() == 5
    # Whether followers heard the end is logged for everybody to read; what comes before it is for who looks closer.
    stream.push(2)
    telemetry = stream.engine.telemetry
    for lines, sequence, frames in ((telemetry.lines, 5, 5), (telemetry.steps, 2, 0)):
        (pushed,) = (line.fields for line in lines if line.event == "status_pushed")
        assert (pushed["order_id"], pushed["sequence"], pushed["frames"]) == (stream.order_id, sequence, frames)


@pytest.mark.parametrize(("seconds_left", "frames"), [(1, [1, 2, 3, 4, 5]), (0, []), (-60, [])])
def test_nothing_is_sent_once_a_session_is_over(stream: OrderStream, seconds_left: int, frames: list[int]) -> None:
    now = stream.engine.clock.now()
    stream.followers.add(Follower(stream.order_id, "c", 0, now, session_ends_at=now + timedelta(seconds=seconds_left)))
    stream.follow("other")
    stream.push()
    assert stream.notifier.sequences("c") == frames
    assert stream.notifier.sequences("other") == [1, 2, 3, 4, 5]
    # It stays a follower, for the heartbeat to tell it and to close.
    assert (stream.order_id, "c") in stream.followers.rows


def test_what_a_frame_holds(stream: OrderStream) -> None:
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


def test_a_failure_is_told_in_the_frame_and_in_its_meta(engine: Engine, stream: OrderStream) -> None:
    engine.chain.behaviours = {1: Behaviour.REJECTED}
    stream.order_id = engine.place().id
    engine.run(stream.order_id)
    stream.follow()
    push_status(Push(history_view(engine.history(stream.order_id))), stream.pusher())
    frame = stream.notifier.frames["c"][-1]
    assert frame["status"] == "failed"
    assert frame["error"] == frame["meta"]["error"] == frame["order"]["error"]
    assert frame["error"]["retryable"] is False


def test_nothing_is_sent_that_the_follower_has(stream: OrderStream) -> None:
    stream.follow(after=3)
    stream.push()
    assert stream.notifier.sequences("c") == [4, 5]
    stream.push()
    stream.push(3)
    assert stream.notifier.sequences("c") == [4, 5]
    assert stream.followers.records == 1


def test_whoever_cannot_be_served_in_time_is_served_by_the_next_invocation(stream: OrderStream) -> None:
    stream.follow("served", after=5)
    stream.follow("left over")
    with pytest.raises(Unavailable, match="the others are served by the next"):
        push_status(stream.history(), stream.pusher(), until=stream.engine.clock.now())
    assert stream.notifier.frames.get("left over", []) == []
    push_status(stream.history(), stream.pusher(), until=stream.engine.clock.in_seconds(1))
    assert stream.notifier.sequences("left over") == [1, 2, 3, 4, 5]


def test_lost_and_late_and_repeated_messages_heal(stream: OrderStream) -> None:
    stream.follow()
    for sequence in (2, 2, 4, 3, 2, 5, 4, 5):
        stream.push(sequence)
    assert stream.notifier.sequences("c") == [1, 2, 3, 4, 5]
    assert ["order" in frame for frame in stream.notifier.frames["c"]] == [False, True, False, True, True]


def test_many_followers_are_all_served(stream: OrderStream) -> None:
    names = [f"c{number}" for number in range(500)]
    for number, name in enumerate(names):
        stream.follow(name, after=number % 6)
    stream.push()
    for number, name in enumerate(names):
        assert stream.notifier.sequences(name) == list(range(number % 6 + 1, 6))
    assert stream.engine.telemetry.total("PushedMessages") == sum(5 - number % 6 for number in range(500))


def test_followers_are_served_at_once(stream: OrderStream) -> None:
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


def test_a_message_for_one_follower_serves_nobody_else(stream: OrderStream) -> None:
    stream.follow("a")
    stream.follow("b")
    push_status(replace(stream.history(), connection_id="a"), stream.pusher())
    assert stream.notifier.sequences("a") == [1, 2, 3, 4, 5]
    assert stream.notifier.posts["b"] == 0
    push_status(replace(stream.history(), connection_id="left meanwhile"), stream.pusher())


@pytest.mark.parametrize("after", [0, 2])
def test_a_crash_between_post_and_record_repeats_with_the_same_sequence_only(stream: OrderStream, after: int) -> None:
    stream.follow(after=after)
    with pytest.raises(Killed):
        stream.push(4, CrashAt("after_post"))
    stream.push(4)
    stream.push(5)
    once = list(range(after + 1, 5))
    assert stream.notifier.sequences("c") == [*once, *once, 5]
    frames = stream.notifier.frames["c"]
    assert frames[: len(once)] == frames[len(once) : 2 * len(once)]


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
    stream: OrderStream, messages: list[tuple[int, str | None]], a: int, b: int
) -> None:
    stream.follow("a")
    stream.follow("b")
    pushes = [replace(stream.history(sequence), connection_id=whom) for sequence, whom in messages]
    push_newest(pushes, stream.pusher())
    for name, last in (("a", a), ("b", b)):
        assert stream.notifier.sequences(name) == list(range(1, last + 1))


def test_a_message_for_one_is_covered_by_one_for_all_that_is_as_new(stream: OrderStream) -> None:
    stream.follow()
    push_newest([stream.history(4), replace(stream.history(4), connection_id="c")], stream.pusher())
    assert len(stream.engine.telemetry.logged("status_pushed")) == 1


def test_all_messages_of_a_batch_must_be_served_in_time(stream: OrderStream) -> None:
    stream.follow()
    for pushes in ([stream.history()], [replace(stream.history(), connection_id="c")]):
        with pytest.raises(Unavailable, match="the others are served by the next"):
            push_newest(pushes, stream.pusher(), until=stream.engine.clock.now())
