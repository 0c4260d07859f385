"""Following orders."""

import pytest

from chalicelib.domain.errors import OrderNotFound, Unavailable
from chalicelib.ports.followers import Follower
from chalicelib.services.subscriptions import (
    MAX_FOLLOWERS,
    STAND_BACK_TRIES,
    TooManyFollowers,
    add_subscription,
    forget_connection,
    subscribe,
    subscribe_to_user,
)
from chalicelib.services.user_stream import user_key
from tests.fakes import CrashAt, Killed, MemoryFollowers
from tests.fakes.engine import Engine
from tests.fakes.streams import subscription_ports


@pytest.fixture
def followers() -> MemoryFollowers:
    return MemoryFollowers()


def test_the_follower_is_stored_and_the_history_queued_for_it_alone(engine: Engine, followers: MemoryFollowers) -> None:
    order_id = engine.place().id
    history = subscribe(order_id, "c", 0, ports=subscription_ports(engine, followers))
    assert history == engine.history(order_id)
    assert followers.rows == {(order_id, "c"): Follower(order_id, "c", 0, engine.clock.now())}
    (sent,) = engine.events.sent
    assert (sent.history, sent.connection_id) == (history, "c")


def test_it_resumes_behind_a_sequence(engine: Engine, followers: MemoryFollowers) -> None:
    order_id = engine.place().id
    engine.run(order_id)
    subscribe(order_id, "c", 3, ports=subscription_ports(engine, followers))
    assert followers.last_sequence(order_id, "c") == 3


def test_a_follower_that_claims_to_be_ahead_hears_what_comes_next(engine: Engine, followers: MemoryFollowers) -> None:
    order_id = engine.place().id
    subscribe(order_id, "c", 7, ports=subscription_ports(engine, followers))
    assert followers.last_sequence(order_id, "c") == engine.history(order_id).order.sequence == 1


def test_the_follower_is_stored_before_the_history_is_read(engine: Engine, followers: MemoryFollowers) -> None:
    order_id = engine.place().id
    with pytest.raises(Killed):
        subscribe(
            order_id, "c", 0, ports=subscription_ports(engine, followers, crash_point=CrashAt("after_follower_stored"))
        )
    assert (order_id, "c") in followers.rows
    assert engine.events.sent == []


def test_a_follower_of_a_user_is_stored_before_his_orders_are_read(engine: Engine, followers: MemoryFollowers) -> None:
    ports = subscription_ports(engine, followers, crash_point=CrashAt("after_follower_stored"))
    with pytest.raises(Killed):
        subscribe_to_user("user-1", "c", None, ports=ports)
    assert (user_key("user-1"), "c") in followers.rows
    assert engine.events.openings == []


def test_an_unknown_order_leaves_nothing_stored(engine: Engine, followers: MemoryFollowers) -> None:
    with pytest.raises(OrderNotFound):
        subscribe("ord_unknown", "c", 0, ports=subscription_ports(engine, followers))
    assert followers.rows == {}
    assert engine.events.sent == []


@pytest.mark.parametrize("broken", ["store", "events"])
def test_an_outage_leaves_nothing_stored(engine: Engine, followers: MemoryFollowers, broken: str) -> None:
    order_id = engine.place().id
    engine.store.outages.everything = broken == "store"
    engine.events.outage = broken == "events"
    with pytest.raises(Unavailable):
        subscribe(order_id, "c", 0, ports=subscription_ports(engine, followers))
    assert followers.rows == {}


def test_following_an_order_again_starts_where_it_says(engine: Engine, followers: MemoryFollowers) -> None:
    order_id = engine.place().id
    ports = subscription_ports(engine, followers)
    subscribe(order_id, "c", 0, ports=ports)
    followers.record(followers.rows[order_id, "c"], 1)
    add_subscription(order_id, "c", 0, ports=ports)
    assert followers.last_sequence(order_id, "c") == 0


def test_a_connection_that_asked_itself_is_known_to_be_open(engine: Engine, followers: MemoryFollowers) -> None:
    """One that only connects may not be yet, and a 410 says nothing of it."""
    order_id, other_id = engine.place().id, engine.place().id
    subscribe(order_id, "c", 0, ports=subscription_ports(engine, followers))
    add_subscription(other_id, "c", 0, ports=subscription_ports(engine, followers))
    assert not followers.rows[order_id, "c"].opened
    assert followers.rows[other_id, "c"].opened


@pytest.mark.parametrize("broken", ["store", "events"])
def test_an_outage_takes_no_subscription_away(engine: Engine, followers: MemoryFollowers, broken: str) -> None:
    order_id = engine.place().id
    ports = subscription_ports(engine, followers)
    subscribe(order_id, "c", 0, ports=ports)
    followers.record(followers.rows[order_id, "c"], 1)
    engine.store.outages.everything = broken == "store"
    engine.events.outage = broken == "events"
    with pytest.raises(Unavailable):
        add_subscription(order_id, "c", 0, ports=ports)
    assert followers.last_sequence(order_id, "c") == 1


def test_hanging_up_forgets_every_order_of_the_connection_and_no_other(
    engine: Engine, followers: MemoryFollowers
) -> None:
    ports = subscription_ports(engine, followers)
    ids = [engine.place().id for _ in range(3)]
    for order_id in ids:
        subscribe(order_id, "c", 0, ports=ports)
        subscribe(order_id, "another", 0, ports=ports)
    forget_connection("c", followers=followers, telemetry=engine.telemetry)
    assert followers.orders_of("c") == []
    assert set(followers.orders_of("another")) == set(ids)
    forget_connection("never connected", followers=followers, telemetry=engine.telemetry)


@pytest.mark.parametrize(("of_user", "what"), [(False, "this order"), (True, "all orders of this user")])
def test_behind_twenty_who_have_followed_for_a_second_nobody_else_may(
    engine: Engine, followers: MemoryFollowers, of_user: bool, what: str
) -> None:
    ports, order_id = subscription_ports(engine, followers), engine.place().id

    def follow(connection_id: str) -> None:
        if of_user:
            subscribe_to_user("user-1", connection_id, None, ports=ports)
        else:
            subscribe(order_id, connection_id, 0, ports=ports)

    for number in range(MAX_FOLLOWERS):
        follow(f"c{number}")
    engine.clock.advance(1.5)
    before = dict(followers.rows)
    with pytest.raises(TooManyFollowers, match=f"^20 connections follow {what} already.$"):
        follow("late")
    assert (followers.rows, engine.clock.slept) == (before, [])
    # One of them may begin anew.
    follow("c3")


@pytest.mark.parametrize("one_goes", [True, False])
def test_who_comes_with_too_many_others_stands_back_and_looks_again(
    engine: Engine, followers: MemoryFollowers, monkeypatch: pytest.MonkeyPatch, one_goes: bool
) -> None:
    ports, order_id = subscription_ports(engine, followers), engine.place().id
    for number in range(MAX_FOLLOWERS):
        subscribe(order_id, f"c{number}", 0, ports=ports)
    advance = engine.clock.advance

    def meanwhile(seconds: float) -> None:
        advance(seconds)
        if one_goes and len(engine.clock.slept) == 2:
            followers.remove(order_id, "c0")

    monkeypatch.setattr(engine.clock, "advance", meanwhile)
    if one_goes:
        subscribe(order_id, "late", 0, ports=ports)
        assert followers.rows[order_id, "late"].connected_at == engine.clock.now()
    else:
        with pytest.raises(TooManyFollowers):
            subscribe(order_id, "late", 0, ports=ports)
    assert len(engine.clock.slept) == (2 if one_goes else STAND_BACK_TRIES)
    # Not all at the same moment again.
    assert all(0.025 <= seconds <= 0.15 for seconds in engine.clock.slept)
    assert len(set(engine.clock.slept)) > 1
