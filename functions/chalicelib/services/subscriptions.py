"""Following orders: the history first, then what happens next, without a gap between the two."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.domain.order import History
from chalicelib.services.followers import Follower, Followers
from chalicelib.services.ports import Clock, CrashPoint, OrderStore, StatusEvents, Telemetry

MAX_SUBSCRIPTIONS = 100


class TooManySubscriptions(Exception):
    """The connection follows as many orders as one may."""


@dataclass(frozen=True, slots=True)
class SubscriptionPorts:
    """The ports that a subscription needs."""

    store: OrderStore
    followers: Followers
    events: StatusEvents
    clock: Clock
    telemetry: Telemetry
    crash_point: CrashPoint


def subscribe(
    order_id: str, connection_id: str, after: int, *, ports: SubscriptionPorts, opened: bool = False
) -> History:
    """Stores the follower first, then reads the history and queues it for this connection.

    Whatever is committed after the read is pushed to the stored follower; whatever was committed before is in the
    history. Both go through the order's group, so they stay in order.

    Raises:
        OrderNotFound: no order has this id; nothing stays stored.
        Unavailable: a dependency cannot be reached; the client should try again.
    """
    follower = Follower(order_id, connection_id, after, ports.clock.now(), opened)
    ports.followers.add(follower)
    ports.crash_point("after_follower_stored")
    try:
        history = ports.store.get(order_id)
        if after > history.order.sequence:
            # Whoever claims to have seen what has not happened yet would never hear of it when it does.
            ports.followers.add(replace(follower, last_sequence=history.order.sequence))
        ports.events.send(history, connection_id=connection_id)
    except Exception:  # raised on whatever it was, a defect too: a refused client must not stay a follower
        ports.followers.remove(order_id, connection_id)
        raise
    ports.telemetry.log("followed", order_id=order_id, connection_id=connection_id, after=after)
    return history


def add_subscription(order_id: str, connection_id: str, after: int, *, ports: SubscriptionPorts) -> History:
    """Follows one more order on an open connection, or one that it follows already from another place.

    Raises:
        TooManySubscriptions: the connection follows 100 orders already.
        OrderNotFound, Unavailable: as `subscribe`; what the connection followed before it still follows.
    """
    followed = ports.followers.orders_of(connection_id)
    if order_id not in followed and len(followed) >= MAX_SUBSCRIPTIONS:
        raise TooManySubscriptions(f"One connection follows at most {MAX_SUBSCRIPTIONS} orders.")
    earlier = ports.followers.find(order_id, connection_id) if order_id in followed else None
    try:
        return subscribe(order_id, connection_id, after, ports=ports, opened=True)
    except Exception:  # raised on whatever it was, a defect too: the earlier subscription holds as before
        if earlier is not None:
            ports.followers.add(earlier)
        raise


def forget_connection(connection_id: str, *, followers: Followers, telemetry: Telemetry) -> None:
    """Forgets a connection that ended. Raises `Unavailable`; the table's TTL is the last resort."""
    followed = followers.orders_of(connection_id)
    for order_id in followed:
        followers.remove(order_id, connection_id)
    telemetry.log("connection_forgotten", connection_id=connection_id, orders=len(followed))
