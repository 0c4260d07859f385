"""Following orders: the history first, then what happens next, without a gap between the two."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.domain.order import History
from chalicelib.ports.access import Admission
from chalicelib.ports.followers import Follower, Followers
from chalicelib.ports.orders import FollowedOrders, UserSnapshot
from chalicelib.ports.queues import StreamEvents
from chalicelib.ports.runtime import Clock, CrashPoint, Telemetry
from chalicelib.services.user_stream import (
    MOST_EVENTS,
    MOST_OPEN,
    is_user_key,
    opening_frames,
    openings,
    overlapping,
    shown_sequences,
    user_key,
)

# Each costs a post for every status of the order.
MAX_FOLLOWERS = 20
# Followers that come at the same moment see each other and all stand back, each for a time of its own.
SETTLED_AFTER = timedelta(seconds=1)
STAND_BACK_TRIES = 6
STAND_BACK_SECONDS = 0.05


class TooManyFollowers(Exception):
    """As many connections follow the order as may."""


@dataclass(frozen=True, slots=True)
class SubscriptionPorts:
    """The ports that a subscription needs; `admit_user` is for all orders of a user."""

    store: FollowedOrders
    followers: Followers
    events: StreamEvents
    clock: Clock
    telemetry: Telemetry
    crash_point: CrashPoint
    admit: Admission
    admit_user: Admission


def subscribe(
    order_id: str,
    connection_id: str,
    after: int,
    *,
    ports: SubscriptionPorts,
    ticket: str | None = None,
    opened: bool = False,
) -> History:
    """Stores the follower, once he is admitted; then marks the order, reads its history and queues that for him.

    Whatever is committed after the read finds the mark and is pushed to the stored follower; whatever was committed
    before is in the history. Both go through the order's group, so they stay in order.

    Raises:
        TicketRefused: the ticket does not hold; nothing was stored.
        OrderNotFound: no order has this id, or it is not the ticket's user's; nothing stays stored.
        TooManyFollowers: as many follow the order as may; they still do.
        Unavailable: a dependency cannot be reached; the client should try again.
    """
    session_ends_at = ports.admit(order_id, ticket)
    follower = _store(Follower(order_id, connection_id, after, ports.clock.now(), opened, session_ends_at), ports)
    ports.crash_point("after_follower_stored")
    with _removed_on_failure(follower, ports):
        history = ports.store.follow(order_id)
        if after > history.order.sequence:
            # Whoever claims to have seen what has not happened yet would never hear of it when it does.
            ports.followers.add(replace(follower, last_sequence=history.order.sequence))
        ports.events.send(history, connection_id=connection_id)
    ports.telemetry.log("followed", order_id=order_id, connection_id=connection_id, after=after)
    return history


def subscribe_to_user(
    user_id: str,
    connection_id: str,
    since: datetime | None,
    *,
    ports: SubscriptionPorts,
    ticket: str | None = None,
    opened: bool = False,
) -> UserSnapshot:
    """As `subscribe`, for all orders of a user, those too that he places from now on.

    Whatever is committed after the snapshot finds the mark, and waits until everything of the snapshot is posted. What
    is pushed before is noted with the follower by then, and not sent again.

    Raises:
        TicketRefused: the ticket does not hold; nothing was stored.
        TooManyFollowers: as many follow the user as may; they still do.
        Unavailable: a dependency cannot be reached; the client should try again.
    """
    session_ends_at = ports.admit_user(user_id, ticket)
    key = user_key(user_id)
    follower = _store(Follower(key, connection_id, 0, ports.clock.now(), opened, session_ends_at), ports)
    ports.crash_point("after_follower_stored")
    with _removed_on_failure(follower, ports):
        snapshot = ports.store.follow_user(
            user_id, overlapping(since) if since else None, most_open=MOST_OPEN, most_events=MOST_EVENTS
        )
        frames = opening_frames(user_id, snapshot, ports.clock.now())
        ports.followers.begin(follower, len(frames), shown_sequences(frames))
        ports.events.open_streams(list(openings(user_id, connection_id, follower.connected_at, frames)))
    ports.telemetry.log(
        "user_followed", user_id=user_id, connection_id=connection_id, open=len(snapshot.open), frames=len(frames)
    )
    return snapshot


@contextmanager
def _removed_on_failure(follower: Follower, ports: SubscriptionPorts) -> Iterator[None]:
    """Where the block raises, whatever it was, a defect too, a refused client does not stay a follower."""
    try:
        yield
    except Exception:  # raised on: only what was stored is undone
        ports.followers.remove(*follower.key)
        raise


def _store(follower: Follower, ports: SubscriptionPorts) -> Follower:
    """Stores the follower, among the first 20 of its order. Never leaves more, whoever comes at the same time."""
    for _ in range(STAND_BACK_TRIES):
        ports.followers.add(follower)
        rows = ports.followers.of_order(follower.order_id)
        others = [other for other in rows if other.key != follower.key and not other.of_user]
        if len(others) < MAX_FOLLOWERS:
            return follower
        ports.followers.remove(*follower.key)
        now = ports.clock.now()
        if sum(now - other.connected_at > SETTLED_AFTER for other in others) >= MAX_FOLLOWERS:
            break
        ports.clock.sleep(STAND_BACK_SECONDS * random.uniform(0.5, 3))
        follower = replace(follower, connected_at=ports.clock.now())
    what = "all orders of this user" if is_user_key(follower.order_id) else "this order"
    raise TooManyFollowers(f"{MAX_FOLLOWERS} connections follow {what} already.")


def add_subscription(
    order_id: str, connection_id: str, after: int, *, ports: SubscriptionPorts, ticket: str | None = None
) -> History:
    """Follows one more order on an open connection, or one that it follows already from another place.

    Raises:
        TooManySubscriptions: the connection follows 100 orders already.
        TicketRefused, OrderNotFound, TooManyFollowers, Unavailable: as `subscribe`; what the connection followed
            before it still follows.
    """
    with _keeping_earlier(order_id, connection_id, ports):
        return subscribe(order_id, connection_id, after, ports=ports, ticket=ticket, opened=True)


def add_user_subscription(
    user_id: str,
    connection_id: str,
    since: datetime | None,
    *,
    ports: SubscriptionPorts,
    ticket: str | None = None,
) -> UserSnapshot:
    """Follows all orders of a user on an open connection; those of whom it does already begin anew.

    Raises:
        TooManySubscriptions, TicketRefused, TooManyFollowers, Unavailable: as `add_subscription`.
    """
    with _keeping_earlier(user_key(user_id), connection_id, ports):
        return subscribe_to_user(user_id, connection_id, since, ports=ports, ticket=ticket, opened=True)


@contextmanager
def _keeping_earlier(key: str, connection_id: str, ports: SubscriptionPorts) -> Iterator[None]:
    """Where the block raises, whatever it was, a defect too, the earlier subscription holds as before."""
    earlier = ports.followers.find(key, connection_id)
    try:
        yield
    except Exception:  # raised on whatever it was: what the connection followed before, it must still follow
        if earlier is not None:
            ports.followers.add(earlier)
        raise


def unsubscribe(order_id: str, connection_id: str, *, followers: Followers) -> None:
    """Follows the order no more by its name. Raises `Unavailable`."""
    if any(is_user_key(key) for key in followers.orders_of(connection_id)):
        followers.leave_to_user(order_id, connection_id)
    else:
        followers.remove(order_id, connection_id)


def unsubscribe_from_user(user_id: str, connection_id: str, *, followers: Followers) -> None:
    """Follows the user's orders no more but those that the connection named. Raises `Unavailable`."""
    followers.remove(user_key(user_id), connection_id)


def forget_connection(connection_id: str, *, followers: Followers, telemetry: Telemetry) -> None:
    """Forgets a connection that ended. Raises `Unavailable`; the table's TTL is the last resort."""
    followed = followers.forget(connection_id)
    telemetry.log("connection_forgotten", connection_id=connection_id, orders=len(followed))
