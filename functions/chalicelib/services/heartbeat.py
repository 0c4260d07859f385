"""Heartbeats: every open connection hears from us twice a minute, so that silence means that it is broken.

API Gateway has no timers, so a schedule starts each minute with one beat, and that beat asks for a second one half a
minute later (docs/decisions tells why not otherwise).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from chalicelib.domain.errors import Unavailable
from chalicelib.services.followers import Delivery, Follower, Notifier
from chalicelib.services.ports import Clock, Telemetry
from chalicelib.services.views import timestamp

INTERVAL_SECONDS = 30
FIRST, SECOND = 1, 2
# A connection whose $connect has not returned answers 410 too; only an older one is really gone.
HANDSHAKE_AGE = timedelta(seconds=30)


class Connections(Protocol):
    """The connections table, as heartbeats need it. Every method raises `Unavailable`."""

    def connections(self) -> Iterable[str]:
        """Every connection that follows an order; one may come several times."""

    def orders_of(self, connection_id: str) -> Iterable[str]:
        """The ids of all orders that the connection follows."""

    def find(self, order_id: str, connection_id: str) -> Follower | None:
        """This follower, read consistently."""

    def remove(self, order_id: str, connection_id: str) -> None:
        """Forgets the follower."""


@dataclass(frozen=True, slots=True)
class Heart:
    """The ports that a beat needs; `second_beat` has one more come half a minute later."""

    connections: Connections
    notifier: Notifier
    clock: Clock
    telemetry: Telemetry
    second_beat: Callable[[], None]
    threads: ThreadPoolExecutor


def beat(number: int, heart: Heart) -> int:
    """Sends one heartbeat to every connection; gives how many it reached.

    An outage costs this beat and no more: a late heartbeat would say less than none.
    """
    if number == FIRST:
        _ask_for_another(heart)
    frame = json.dumps({"type": "heartbeat", "at": timestamp(heart.clock.now())}, separators=(",", ":"))
    try:
        open_connections = sorted(set(heart.connections.connections()))
        reached = sum(heart.threads.map(lambda connection_id: _send(frame, connection_id, heart), open_connections))
    except Unavailable as error:
        heart.telemetry.warn("heartbeat_skipped", beat=number, reason=str(error))
        return 0
    heart.telemetry.log("heartbeat", beat=number, connections=len(open_connections), reached=reached)
    return reached


def _ask_for_another(heart: Heart) -> None:
    try:
        heart.second_beat()
    except Unavailable as error:
        heart.telemetry.warn("second_beat_missed", reason=str(error))


def _send(frame: str, connection_id: str, heart: Heart) -> bool:
    delivery = heart.notifier.post(connection_id, frame)
    if delivery is Delivery.GONE:
        _forget(connection_id, heart)
    return delivery is Delivery.DELIVERED


def _forget(connection_id: str, heart: Heart) -> None:
    """Removes what a connection left behind whose $disconnect never came."""
    for order_id in heart.connections.orders_of(connection_id):
        follower = heart.connections.find(order_id, connection_id)
        if follower is not None and heart.clock.now() - follower.connected_at > HANDSHAKE_AGE:
            heart.connections.remove(order_id, connection_id)
            heart.telemetry.log("follower_dropped", order_id=order_id, connection_id=connection_id, reason="gone")
