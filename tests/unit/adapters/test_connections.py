"""The connections table on DynamoDB."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from chalicelib.adapters.connections import ROW_LIFETIME, DynamoFollowers
from chalicelib.domain.errors import Unavailable
from chalicelib.ports.followers import MAX_SUBSCRIPTIONS, Follower, TooManySubscriptions
from tests.fakes.aws import create_connections_table

TABLES = ("connections", "others")
NOW = datetime(2026, 11, 22, 18, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def tables(aws: None) -> Iterator[None]:
    """Two empty tables."""
    for name in TABLES:
        create_connections_table(name)
    yield
    for name in TABLES:
        boto3.client("dynamodb").delete_table(TableName=name)


@pytest.fixture(scope="module")
def opened(aws: None) -> DynamoFollowers:
    """Built once: each builds a client of its own."""
    return DynamoFollowers("connections")


@pytest.fixture
def followers(tables: None, opened: DynamoFollowers) -> DynamoFollowers:
    return opened


def test_a_follower_comes_back_as_it_was_stored(followers: DynamoFollowers) -> None:
    follower = Follower("ord_1", "c=", 7, NOW)
    followers.add(follower)
    assert followers.find("ord_1", "c=") == follower
    assert list(followers.of_order("ord_1")) == [follower]
    assert list(followers.orders_of("c=")) == ["ord_1"]


def test_orders_and_connections_are_many_to_many(followers: DynamoFollowers) -> None:
    for order_id in ("ord_1", "ord_2"):
        for connection_id in ("a", "b"):
            followers.add(Follower(order_id, connection_id, 0, NOW))
    assert {follower.connection_id for follower in followers.of_order("ord_2")} == {"a", "b"}
    assert set(followers.orders_of("a")) == {"ord_1", "ord_2"}
    followers.remove("ord_1", "a")
    assert list(followers.orders_of("a")) == ["ord_2"]
    assert len(followers.of_order("ord_1")) == 1


def test_a_second_subscription_replaces_the_first(followers: DynamoFollowers) -> None:
    followers.add(Follower("ord_1", "c", 5, NOW))
    followers.add(Follower("ord_1", "c", 0, NOW + timedelta(seconds=1)))
    assert list(followers.of_order("ord_1")) == [Follower("ord_1", "c", 0, NOW + timedelta(seconds=1))]


def test_a_record_moves_forward_only(followers: DynamoFollowers) -> None:
    follower = Follower("ord_1", "c", 2, NOW)
    followers.add(follower)
    for sequence, stored in [(4, 4), (3, 4), (4, 4), (5, 5)]:
        followers.record(follower, sequence)
        assert followers.find("ord_1", "c") == Follower("ord_1", "c", stored, NOW, opened=True)


def test_a_push_in_flight_does_not_take_a_replay_from_who_subscribes_anew(followers: DynamoFollowers) -> None:
    pushed_to = Follower("ord_1", "c", 3, NOW)
    followers.add(pushed_to)
    anew = Follower("ord_1", "c", 0, NOW + timedelta(microseconds=1))
    followers.add(anew)
    followers.record(pushed_to, 5)
    assert followers.find("ord_1", "c") == anew


def test_a_record_does_not_revive_a_follower_that_left(followers: DynamoFollowers) -> None:
    follower = Follower("ord_1", "c", 0, NOW)
    followers.add(follower)
    followers.remove("ord_1", "c")
    followers.record(follower, 3)
    assert followers.find("ord_1", "c") is None


def test_removing_somebody_who_is_not_there_removes_nobody_else(followers: DynamoFollowers) -> None:
    other = Follower("ord_1", "other", 0, NOW)
    followers.add(other)
    followers.remove("ord_1", "c")
    followers.remove("ord_2", "other")
    assert followers.of_order("ord_1") == [other]


def test_a_row_outlives_its_connection_by_a_little(followers: DynamoFollowers) -> None:
    followers.add(Follower("ord_1", "c", 0, NOW))
    items = boto3.client("dynamodb").scan(TableName="connections")["Items"]
    for item in items:
        lifetime = datetime.fromtimestamp(int(item["expires_at"]["N"]), UTC) - datetime.now(UTC)
        assert timedelta(hours=2) < lifetime <= ROW_LIFETIME
    itself, item = sorted(items, key=lambda item: item["order_id"]["S"])
    assert set(itself) == {"order_id", "connection_id", "orders", "expires_at"}
    assert set(item) == {"order_id", "connection_id", "last_sequence", "connected_at", "opened", "expires_at"}


def test_the_limit_of_a_connection_s_orders_holds_whoever_asks_first(followers: DynamoFollowers) -> None:
    for number in range(MAX_SUBSCRIPTIONS):
        followers.add(Follower(f"ord_{number}", "c", 0, NOW))
    with pytest.raises(TooManySubscriptions, match="at most 100"):
        followers.add(Follower("ord_100", "c", 0, NOW))
    assert followers.find("ord_100", "c") is None
    followers.add(Follower("ord_7", "c", 3, NOW))
    followers.add(Follower("ord_100", "another", 0, NOW))
    followers.remove("ord_7", "c")
    followers.remove("ord_7", "c")
    followers.add(Follower("ord_100", "c", 0, NOW))
    with pytest.raises(TooManySubscriptions):
        followers.add(Follower("ord_7", "c", 0, NOW))
    assert len(followers.orders_of("c")) == MAX_SUBSCRIPTIONS


def test_a_connection_that_is_forgotten_leaves_nothing(followers: DynamoFollowers) -> None:
    for connection_id in ("c", "another"):
        for order_id in ("ord_1", "ord_2"):
            followers.add(Follower(order_id, connection_id, 0, NOW))
    assert set(followers.forget("c")) == {"ord_1", "ord_2"}
    assert followers.forget("c") == []
    # Who is told that it is gone by a push that was under way does not make it anew.
    followers.remove("ord_1", "c")
    left = boto3.client("dynamodb").scan(TableName="connections")["Items"]
    assert {item["connection_id"]["S"] for item in left} == {"another"}


def test_a_follower_is_set_apart_unless_it_subscribed_anew(followers: DynamoFollowers) -> None:
    follower = Follower("ord_1", "c", 2, NOW)
    followers.add(follower)
    followers.set_apart(follower)
    assert followers.find("ord_1", "c") == replace(follower, apart=True)
    anew = replace(follower, connected_at=NOW + timedelta(microseconds=1))
    followers.add(anew)
    followers.set_apart(follower)
    assert followers.find("ord_1", "c") == anew
    followers.remove("ord_1", "c")
    followers.set_apart(follower)
    assert followers.of_order("ord_1") == []


def test_who_follows_a_user_comes_back_with_what_his_stream_begins_with(followers: DynamoFollowers) -> None:
    follower = Follower("user#Zoë", "c", 0, NOW)
    followers.add(follower)
    followers.begin(follower, 3, {"ord_1": 2})
    assert followers.find("user#Zoë", "c") == replace(follower, opening=3, shown={"ord_1": 2})
    followers.record(follower, 3)
    found = followers.find("user#Zoë", "c")
    assert found is not None
    assert found.has_begun
    anew = replace(follower, connected_at=NOW + timedelta(seconds=1))
    followers.add(anew)
    followers.begin(follower, 3, {"ord_1": 2})
    assert followers.find("user#Zoë", "c") == anew


def test_what_came_through_a_user_has_a_row_that_counts_for_nothing_else(followers: DynamoFollowers) -> None:
    through = Follower("user#u", "c", 0, NOW)
    followers.add(through)
    row = Follower("ord_1", "c", 0, NOW, of_user=True)
    followers.record(replace(row, through=through), 4)
    for sequence, stored in [(3, 4), (5, 5)]:
        followers.record(row, sequence)
        assert followers.find("ord_1", "c") == replace(row, last_sequence=stored, opened=True)
    followers.set_apart(replace(row, last_sequence=5))
    assert followers.of_order("ord_1") == [replace(row, last_sequence=5, apart=True)]
    assert followers.orders_of("c") == ["user#u"]
    followers.forget("c")
    assert followers.sessions() == {}
    # One that stood there before makes way for a later subscription; a named order for none.
    later = replace(row, connected_at=NOW + timedelta(seconds=1))
    followers.record(later, 1)
    assert followers.find("ord_1", "c") == replace(later, last_sequence=1, opened=True)
    named = Follower("ord_1", "c", 0, NOW)
    followers.add(named)
    followers.record(replace(later, connected_at=NOW + timedelta(seconds=2)), 2)
    followers.set_apart(later)
    assert followers.find("ord_1", "c") == named


def test_an_order_that_is_named_no_more_is_known_to_who_follows_its_user(followers: DynamoFollowers) -> None:
    for key in ("user#u", "ord_1"):
        followers.add(Follower(key, "c", 4, NOW))
    followers.leave_to_user("ord_1", "c")
    followers.leave_to_user("ord_2", "c")
    left = followers.find("ord_1", "c")
    assert left is not None
    assert (left.of_user, left.last_sequence) == (True, 4)
    assert left.connected_at > NOW
    assert followers.orders_of("c") == ["user#u"]
    assert followers.of_order("ord_2") == []


def test_the_table_lists_each_connection_with_the_end_of_its_longest_session(followers: DynamoFollowers) -> None:
    later = NOW + timedelta(hours=1)
    for order_id, connection_id, ends_at in [
        *(("a", "1", NOW), ("b", "1", later), ("c", "1", NOW), ("a", "2", None), ("a", "3", NOW), ("b", "3", None)),
        *(("c", "3", later), ("a", "4", NOW)),
    ]:
        followers.add(Follower(order_id, connection_id, 0, NOW, session_ends_at=ends_at))
    ends = {"1": later, "2": None, "3": None, "4": NOW}
    assert followers.sessions() == ends


CALLS: list[Callable[[DynamoFollowers], object]] = [
    lambda table: table.add(Follower("ord_1", "c", 0, NOW)),
    lambda table: table.of_order("ord_1"),
    lambda table: table.orders_of("c"),
    lambda table: table.find("ord_1", "c"),
    lambda table: table.record(Follower("ord_1", "c", 0, NOW), 1),
    lambda table: table.remove("ord_1", "c"),
    lambda table: table.set_apart(Follower("ord_1", "c", 0, NOW)),
    lambda table: table.forget("c"),
    lambda table: table.begin(Follower("user#u", "c", 0, NOW), 1, {}),
    lambda table: table.record(Follower("ord_1", "c", 0, NOW, of_user=True), 1),
    lambda table: table.leave_to_user("ord_1", "c"),
]


@pytest.mark.parametrize("trouble", ["no table", "nobody listens"])
def test_a_table_that_cannot_be_reached_is_unavailable(
    aws: None, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    if trouble == "nobody listens":
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    table = DynamoFollowers("none")
    table._model._get_connection().connection._max_retry_attempts_exception = 0
    for call in CALLS:
        with pytest.raises(Unavailable, match="connections table cannot be reached"):
            call(table)
