"""Following all orders of a user: what it begins with, and what the pusher does around that."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.followers import HANDSHAKE_AGE, Delivery
from chalicelib.ports.orders import UserSnapshot
from chalicelib.ports.queues import Opening
from chalicelib.services.posting import BETWEEN_TRIES_SECONDS, MAX_TRIES, Postponed, Push
from chalicelib.services.push_opening import push_opening
from chalicelib.services.push_status import OPENING_AGE, push_newest
from chalicelib.services.subscriptions import (
    add_subscription,
    add_user_subscription,
    forget_connection,
    subscribe_to_user,
    unsubscribe,
)
from chalicelib.services.user_stream import (
    FRAME_BYTES,
    MESSAGE_BYTES,
    OVERLAP,
    opening_frames,
    openings,
    overlapping,
    shown_sequences,
    user_key,
)
from chalicelib.services.views import timestamp
from tests.fakes import CrashAt, FakeClock, Killed, MemoryFollowers, MemoryNotifier, an_order
from tests.fakes.builders import an_id, new_order
from tests.fakes.engine import Engine
from tests.fakes.streams import a_pusher, subscription_ports

USER = new_order().user_id
KEY = user_key(USER)


class Stream:
    """An engine whose orders' user is followed, and the queues in front of the pusher."""

    def __init__(self, engine: Engine, threads: ThreadPoolExecutor) -> None:
        self.engine = engine
        self.followers = MemoryFollowers()
        self.notifier = MemoryNotifier(engine.clock)
        self.ports = subscription_ports(engine, self.followers)
        self.pusher = a_pusher(engine, self.followers, self.notifier, threads)

    def place(self) -> str:
        """A new order, placed by the clock of the others' moves."""
        order_id = self.engine.place().id
        events = self.engine.store.rows[order_id].events
        events[0] = replace(events[0], occurred_at=self.engine.clock.now())
        return order_id

    def open(self, tries: int = 0) -> None:
        """Delivers what streams begin with."""
        for opening in self.engine.events.openings:
            push_opening([replace(opening, tries=tries)], self.pusher)
        self.engine.events.openings.clear()

    def push(self) -> None:
        """Delivers all pushes, and what they put into a follower's own group."""
        pushes = self.engine.events.pushes
        while pushes:
            push = pushes.pop(0)
            try:
                push_newest([push], self.pusher)
            except Postponed:
                pushes.insert(0, push)
                raise

    def sequences(self, order_id: str, connection_id: str = "c") -> list[int]:
        return self.notifier.told(connection_id, order_id)


@pytest.fixture
def stream(engine: Engine) -> Iterator[Stream]:
    engine.store.all_followed = False
    with ThreadPoolExecutor(8) as threads:
        yield Stream(engine, threads)


def test_a_stream_begins_with_what_is_open_and_goes_on_with_every_order(stream: Stream) -> None:
    earlier = stream.place()
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    stream.open()
    later = stream.place()
    stream.push()
    for order_id in (earlier, later):
        stream.engine.run(order_id)
    stream.push()
    snapshot = stream.notifier.frames["c"][0]
    assert (snapshot["type"], snapshot["userId"], snapshot["more"]) == ("snapshot", USER, False)
    assert [(order["orderId"], order["sequence"]) for order in snapshot["open"]] == [(earlier, 1)]
    assert stream.sequences(earlier) == [2, 3, 4, 5]
    assert stream.sequences(later) == [1, 2, 3, 4, 5]
    # What came through the user is nothing that the connection asked for.
    assert stream.followers.orders_of("c") == [KEY]


def test_who_comes_back_is_told_what_happened_since(stream: Stream) -> None:
    over, still_open = stream.place(), stream.place()
    stream.engine.clock.sleep(3600)
    stream.engine.run(over)
    since = stream.engine.clock.now() - timedelta(minutes=5)
    subscribe_to_user(USER, "c", since, ports=stream.ports)
    assert stream.followers.rows[KEY, "c"].shown == {over: 5, still_open: 1}
    stream.open()
    at = stream.engine.clock.now()
    stream.engine.run(still_open)
    stream.push()
    snapshot, *statuses = stream.notifier.frames["c"]
    assert (snapshot["at"], snapshot["since"]) == (timestamp(at), timestamp(overlapping(since)))
    assert [order["orderId"] for order in snapshot["open"]] == [still_open]
    # Not its placing, an hour ago.
    assert stream.sequences(over) == [2, 3, 4, 5]
    assert statuses[3]["order"]["status"] == "confirmed"
    assert "order" not in statuses[0]
    assert stream.sequences(still_open) == [2, 3, 4, 5]


def test_whoever_follows_nobody_s_user_costs_no_look_for_him(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    of_order = stream.followers.of_order
    monkeypatch.setattr(stream.followers, "of_order", lambda key: asked.append(key) or of_order(key))  # type: ignore[func-returns-value]
    order_id = stream.place()
    stream.engine.store.follow(order_id)
    stream.engine.run(order_id)
    stream.push()
    assert set(asked) == {order_id}


def test_an_order_that_is_followed_twice_on_a_connection_is_told_once(stream: Stream) -> None:
    order_id = stream.place()
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    stream.open()
    add_subscription(order_id, "c", 0, ports=stream.ports)
    stream.push()
    assert stream.sequences(order_id) == [1]
    unsubscribe(order_id, "c", followers=stream.followers)
    assert stream.followers.rows[order_id, "c"].of_user
    stream.engine.run(order_id)
    stream.push()
    assert stream.sequences(order_id) == [1, 2, 3, 4, 5]


def test_an_order_that_is_named_behind_the_user_is_told_from_where_that_asks(stream: Stream) -> None:
    order_id = stream.place()
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    stream.open()
    stream.engine.run(order_id)
    stream.push()
    add_subscription(order_id, "c", 3, ports=stream.ports)
    stream.push()
    assert stream.sequences(order_id) == [2, 3, 4, 5, 4, 5]


def test_subscribing_anew_begins_anew_and_drops_what_the_earlier_begins_with(stream: Stream) -> None:
    order_id = stream.place()
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    stream.engine.clock.sleep(1)
    add_user_subscription(USER, "c", None, ports=stream.ports)
    # Whoever asks on a connection has it open: it is not waited for.
    assert stream.followers.rows[KEY, "c"].opened
    stream.open()
    assert [frame["type"] for frame in stream.notifier.frames["c"]] == ["snapshot"]
    stream.engine.run(order_id)
    stream.push()
    stream.engine.clock.sleep(1)
    add_user_subscription(USER, "c", stream.engine.clock.now(), ports=stream.ports)
    stream.open()
    assert stream.sequences(order_id) == [2, 3, 4, 5, 1, 2, 3, 4, 5]


def test_a_refused_subscription_leaves_nothing_or_what_was_there_before(stream: Stream) -> None:
    stream.engine.events.outage = True
    with pytest.raises(Unavailable):
        subscribe_to_user(USER, "c", None, ports=stream.ports)
    assert stream.followers.rows == {}
    stream.engine.events.outage = False
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    stream.open()
    before = dict(stream.followers.rows)
    stream.engine.store.outages.next_calls = ["follow_user"]
    with pytest.raises(Unavailable):
        add_user_subscription(USER, "c", None, ports=stream.ports)
    assert stream.followers.rows == before


def test_a_push_waits_apart_until_everything_was_posted_that_the_stream_begins_with(stream: Stream) -> None:
    order_id = stream.place()
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    stream.engine.run(order_id)
    waiting = stream.engine.events.pushes[0].history
    with pytest.raises(Postponed) as later:
        stream.push()
    assert later.value.seconds == BETWEEN_TRIES_SECONDS
    assert stream.notifier.frames["c"] == []
    assert Push(waiting, "c", apart=True) in stream.engine.events.pushes
    assert stream.engine.telemetry.total("PushedMessages") == 0
    # In a group of its own it holds up nobody, and waits for nothing in place.
    start = stream.engine.clock.now()
    with pytest.raises(Postponed):
        stream.push()
    assert stream.engine.clock.now() == start
    stream.open()
    stream.push()
    assert [frame["type"] for frame in stream.notifier.frames["c"]] == ["snapshot"] + ["status"] * 4
    assert stream.sequences(order_id) == [2, 3, 4, 5]


def test_what_is_posted_while_a_push_waits_is_waited_for_in_place(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = stream.place()
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    stream.engine.run(order_id)
    advance = stream.engine.clock.advance

    def post_meanwhile(seconds: float) -> None:
        advance(seconds)
        stream.open()

    monkeypatch.setattr(stream.engine.clock, "advance", post_meanwhile)
    stream.push()
    assert stream.sequences(order_id) == [2, 3, 4, 5]
    assert stream.engine.events.pushes == []
    # Who subscribed anew meanwhile is told by what that begins with.
    monkeypatch.setattr(
        stream.engine.clock, "advance", lambda _seconds: subscribe_to_user(USER, "d", None, ports=stream.ports)
    )
    subscribe_to_user(USER, "d", None, ports=stream.ports)
    other = stream.place()
    advance(1)
    stream.engine.clock.slept.clear()
    stream.push()
    assert stream.sequences(other, "d") == []
    assert len(stream.engine.clock.slept) == 1


def test_who_subscribed_anew_is_told_on_from_there_and_nothing_twice(stream: Stream) -> None:
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    stream.open()
    order_id = stream.place()
    stream.push()
    stream.engine.clock.sleep(1)
    add_user_subscription(USER, "c", None, ports=stream.ports)
    stream.open()
    stream.engine.run(order_id)
    first, *others = stream.engine.events.pushes
    for pushes in ([first], others):
        stream.engine.events.pushes[:] = pushes
        stream.push()
    assert stream.sequences(order_id) == [1, 2, 3, 4, 5]


def test_who_is_busy_half_way_is_told_the_rest_apart_and_nothing_twice(stream: Stream) -> None:
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    stream.open()
    order_id = stream.place()
    stream.engine.run(order_id)
    stream.notifier.refusals["c"] = [Delivery.DELIVERED, Delivery.DELIVERED, Delivery.BUSY]
    stream.engine.events.pushes[:] = stream.engine.events.pushes[-1:]
    stream.push()
    assert stream.sequences(order_id) == [1, 2, 3, 4, 5]


def test_a_stream_that_never_begins_is_closed(stream: Stream) -> None:
    order_id = stream.place()
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    stream.engine.clock.advance(OPENING_AGE.total_seconds() + 1)
    stream.engine.run(order_id)
    stream.push()
    assert stream.notifier.closed == ["c"]
    assert stream.followers.rows == {}
    stream.open()
    assert stream.notifier.frames["c"] == []


def test_a_handshake_that_takes_long_is_waited_for_and_one_that_failed_not(stream: Stream) -> None:
    stream.notifier.opens_at["c"] = stream.engine.clock.now() + timedelta(seconds=3.5)
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    for _ in range(2):
        with pytest.raises(Postponed) as later:
            stream.open()
        stream.engine.clock.advance(later.value.seconds)
    stream.open()
    assert len(stream.notifier.frames["c"]) == 1
    stream.notifier.gone.add("d")
    subscribe_to_user(USER, "d", None, ports=stream.ports)
    stream.engine.clock.advance(HANDSHAKE_AGE.total_seconds())
    stream.open()
    assert (KEY, "d") not in stream.followers.rows


def test_one_that_was_reached_and_is_gone_now_is_not_waited_for(stream: Stream) -> None:
    for _ in range(2):
        stream.engine.run(stream.place())
    subscribe_to_user(USER, "c", stream.engine.clock.now(), ports=stream.ports)
    stream.notifier.refusals["c"] = [Delivery.DELIVERED, Delivery.GONE]
    start = stream.engine.clock.now()
    stream.open()
    assert stream.engine.clock.now() == start
    assert (KEY, "c") not in stream.followers.rows


def test_a_crash_between_post_and_record_begins_again(stream: Stream) -> None:
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    (opening,) = stream.engine.events.openings
    with pytest.raises(Killed):
        push_opening([opening], replace(stream.pusher, crash_point=CrashAt("after_post")))
    push_opening([opening, opening], stream.pusher)
    first, second = stream.notifier.frames["c"]
    assert first == second


def test_a_connection_that_takes_nothing_is_tried_some_times_and_closed(stream: Stream) -> None:
    stream.notifier.refusals["c"] = [Delivery.BUSY] * 10
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    for tries in range(MAX_TRIES):
        with pytest.raises(Postponed):
            stream.open(tries)
    stream.open(MAX_TRIES)
    assert stream.notifier.closed == ["c"]
    assert stream.followers.rows == {}


def test_a_connection_that_is_gone_is_forgotten_with_all_that_it_followed(stream: Stream) -> None:
    order_id = stream.place()
    subscribe_to_user(USER, "c", None, ports=stream.ports)
    stream.open()
    stream.notifier.gone.add("c")
    stream.engine.run(order_id)
    stream.push()
    assert stream.followers.rows == {}
    # What it leaves behind where it hangs up itself goes with the order's next status.
    subscribe_to_user(USER, "d", None, ports=stream.ports)
    stream.open()
    first, second = stream.place(), stream.place()
    stream.push()
    forget_connection("d", followers=stream.followers, telemetry=stream.engine.telemetry)
    assert set(stream.followers.rows) == {(first, "d"), (second, "d")}
    stream.engine.run(first)
    stream.push()
    assert set(stream.followers.rows) == {(second, "d")}


def test_nothing_is_sent_once_the_session_is_over(stream: Stream) -> None:
    order_id = stream.place()
    ends_at = stream.engine.clock.now() + timedelta(seconds=10)
    ports = replace(stream.ports, admit_user=lambda _user, _ticket: ends_at)
    for connection_id in ("c", "d"):
        subscribe_to_user(USER, connection_id, None, ports=ports)
    late = stream.engine.events.openings.pop()
    stream.open()
    stream.engine.clock.advance(10)
    push_opening([late], stream.pusher)
    stream.engine.run(order_id)
    stream.push()
    assert (len(stream.notifier.frames["c"]), stream.notifier.frames["d"]) == (1, [])


def test_what_a_stream_begins_with_goes_on_where_an_invocation_ended(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        stream.engine.run(stream.place())
    subscribe_to_user(USER, "c", stream.engine.clock.now(), ports=stream.ports)
    (opening,) = stream.engine.events.openings
    until = stream.engine.clock.now()
    with pytest.raises(Unavailable):
        push_opening([opening], stream.pusher, until)
    stream.notifier.refusals["c"] = [Delivery.DELIVERED] * 7 + [Delivery.BUSY]
    with pytest.raises(Postponed):
        push_opening([opening], stream.pusher)
    # Nine are left: eight of them take all the time that there is.
    post = stream.notifier.post

    def slowly(connection_id: str, text: str) -> Delivery:
        stream.engine.clock.advance(1)
        return post(connection_id, text)

    monkeypatch.setattr(stream.notifier, "post", slowly)
    with pytest.raises(Unavailable):
        push_opening([opening], stream.pusher, stream.engine.clock.in_seconds(8))
    push_opening([opening, opening], stream.pusher)
    assert len(stream.notifier.frames["c"]) == 16
    assert len({str(frame) for frame in stream.notifier.frames["c"]}) == 16
    assert stream.engine.telemetry.total("PushedMessages") == 16


def test_everything_fits_whatever_is_in_it() -> None:
    clock = FakeClock()
    long = "💥" * 128
    orders = [
        replace(an_order(OrderStatus.WAITING, order_id=an_id(), user=long), wallet_address=long, client_order_id=long)
        for _ in range(100)
    ]
    snapshot = UserSnapshot(tuple(orders), more=False, events=(), orders={}, since=None)
    frames = opening_frames(long, snapshot, clock.now())
    (message,) = openings(long, "c", clock.now(), frames)
    (frame,) = message.frames
    assert frame["type"] == "snapshot"
    assert 10 < len(frame["open"]) < 100
    assert frame["more"]
    assert len(str(frame)) < FRAME_BYTES
    assert shown_sequences(frames).keys() == {order["orderId"] for order in frame["open"]}
    split = list(openings("u", "c", clock.now(), frames * 5))
    assert split == [Opening("u", "c", clock.now(), number, (frame,)) for number in range(1, 6)]
    assert all(sum(len(str(frame)) for frame in one.frames) < MESSAGE_BYTES for one in split)


def test_the_hundred_open_orders_of_a_usual_user_fit() -> None:
    orders = tuple(an_order(OrderStatus.WAITING, order_id=an_id()) for _ in range(100))
    snapshot = UserSnapshot(orders, more=True, events=(), orders={}, since=None)
    (frame,) = opening_frames("user-1", snapshot, FakeClock().now())
    assert frame["type"] == "snapshot"
    assert len(frame["open"]) == 100


def test_statuses_are_sent_from_a_little_before_what_a_client_says_that_it_has() -> None:
    now = FakeClock().now()
    assert overlapping(now) == now - OVERLAP
    # As far back as time goes, and no further.
    beginning = datetime.min.replace(tzinfo=UTC)
    assert [overlapping(beginning + since) for since in (timedelta(0), OVERLAP, OVERLAP * 2)] == [
        beginning,
        beginning,
        beginning + OVERLAP,
    ]
