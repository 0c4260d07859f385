"""Following orders: the history first, then what happens next, without a gap between the two."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from chalicelib.domain.order import History
from chalicelib.services.followers import Follower, Followers
from chalicelib.services.ports import Clock, CrashPoint, OrderStore, StatusEvents, Telemetry

# Each costs a post for every status of the order.
MAX_FOLLOWERS = 20
# Followers that come at the same moment see each other and all stand back, each for a time of its own.
SETTLED_AFTER = timedelta(seconds=1)
STAND_BACK_TRIES = 6
STAND_BACK_SECONDS = 0.05


class TooManyFollowers(Exception):
    """As many connections follow the order as may."""


class Admission(Protocol):
    """Whether somebody may follow an order. Asked before anything is stored about him."""

    def __call__(self, order_id: str, ticket: str | None) -> datetime | None:
        """When what he proved ends, None for never.

        Raises:
            TicketRefused: he proves nothing.
            OrderNotFound: there is no such order, or it is not his.
            Unavailable: nobody can tell right now.
        """


@dataclass(frozen=True, slots=True)
class SubscriptionPorts:
    """The ports that a subscription needs."""

    store: OrderStore
    followers: Followers
    events: StatusEvents
    clock: Clock
    telemetry: Telemetry
    crash_point: CrashPoint
    admit: Admission


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
    try:
        history = ports.store.follow(order_id)
        if after > history.order.sequence:
            # Whoever claims to have seen what has not happened yet would never hear of it when it does.
            ports.followers.add(replace(follower, last_sequence=history.order.sequence))
        ports.events.send(history, connection_id=connection_id)
    except Exception:  # raised on whatever it was, a defect too: a refused client must not stay a follower
        ports.followers.remove(order_id, connection_id)
        raise
    ports.telemetry.log("followed", order_id=order_id, connection_id=connection_id, after=after)
    return history


def _store(follower: Follower, ports: SubscriptionPorts) -> Follower:
    """Stores the follower, among the first 20 of its order. Never leaves more, whoever comes at the same time."""
    for _ in range(STAND_BACK_TRIES):
        ports.followers.add(follower)
        others = [other for other in ports.followers.of_order(follower.order_id) if other.key != follower.key]
        if len(others) < MAX_FOLLOWERS:
            return follower
        ports.followers.remove(*follower.key)
        now = ports.clock.now()
        if sum(now - other.connected_at > SETTLED_AFTER for other in others) >= MAX_FOLLOWERS:
            break
        ports.clock.sleep(STAND_BACK_SECONDS * random.uniform(0.5, 3))
        follower = replace(follower, connected_at=ports.clock.now())
    raise TooManyFollowers(f"{MAX_FOLLOWERS} connections follow this order already.")


def add_subscription(
    order_id: str, connection_id: str, after: int, *, ports: SubscriptionPorts, ticket: str | None = None
) -> History:
    """Follows one more order on an open connection, or one that it follows already from another place.

    Raises:
        TooManySubscriptions: the connection follows 100 orders already.
        TicketRefused, OrderNotFound, TooManyFollowers, Unavailable: as `subscribe`; what the connection followed
            before it still follows.
    """
    earlier = ports.followers.find(order_id, connection_id)
    try:
        return subscribe(order_id, connection_id, after, ports=ports, ticket=ticket, opened=True)
    except Exception:  # raised on whatever it was, a defect too: the earlier subscription holds as before
        if earlier is not None:
            ports.followers.add(earlier)
        raise


def forget_connection(connection_id: str, *, followers: Followers, telemetry: Telemetry) -> None:
    """Forgets a connection that ended. Raises `Unavailable`; the table's TTL is the last resort."""
    followed = followers.forget(connection_id)
    telemetry.log("connection_forgotten", connection_id=connection_id, orders=len(followed))
