"""Heartbeats: every open connection hears from us at least every 30 s, so that silence means that it is broken.

API Gateway has no timers, so a schedule starts each minute with one beat, and each beat but the minute's last queues
the next one (decision 0006).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from chalicelib.domain.errors import Unavailable
from chalicelib.services.followers import Delivery, Follower, Notifier
from chalicelib.services.ports import Clock, Telemetry
from chalicelib.services.views import timestamp

# Promised are 30 s, from connecting too: what schedule, queue and the posts themselves take must fit in between.
INTERVAL_SECONDS = 20
BEATS_A_MINUTE = 3
FIRST = 1


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
class HeartbeatPorts:
    """What sending heartbeats needs; `schedule_next` has the beat of that number come `INTERVAL_SECONDS` later."""

    connections: Connections
    notifier: Notifier
    clock: Clock
    telemetry: Telemetry
    schedule_next: Callable[[int], None]
    threads: ThreadPoolExecutor


def send_heartbeats(number: int, ports: HeartbeatPorts) -> int:
    """Sends one heartbeat to every connection and returns how many it reached.

    An outage costs this beat and no more: a late heartbeat would say less than none.
    """
    if number < BEATS_A_MINUTE:
        _schedule_next(number + 1, ports)
    frame = json.dumps({"type": "heartbeat", "at": timestamp(ports.clock.now())}, separators=(",", ":"))
    try:
        open_connections = sorted(set(ports.connections.connections()))
        reached = sum(ports.threads.map(lambda connection_id: _send(frame, connection_id, ports), open_connections))
    except Unavailable as error:
        ports.telemetry.warn("heartbeat_skipped", beat=number, reason=str(error))
        return 0
    ports.telemetry.log("heartbeat", beat=number, connections=len(open_connections), reached=reached)
    return reached


def _schedule_next(number: int, ports: HeartbeatPorts) -> None:
    try:
        ports.schedule_next(number)
    except Unavailable as error:
        ports.telemetry.warn("heartbeat_not_scheduled", beat=number, reason=str(error))


def _send(frame: str, connection_id: str, ports: HeartbeatPorts) -> bool:
    delivery = ports.notifier.post(connection_id, frame)
    if delivery is Delivery.GONE:
        _forget_connection(connection_id, ports)
    return delivery is Delivery.DELIVERED


def _forget_connection(connection_id: str, ports: HeartbeatPorts) -> None:
    """Removes what a connection left behind whose $disconnect never came."""
    for order_id in ports.connections.orders_of(connection_id):
        follower = ports.connections.find(order_id, connection_id)
        if follower is not None and not follower.may_still_open(ports.clock.now()):
            ports.connections.remove(order_id, connection_id)
            ports.telemetry.log("follower_dropped", order_id=order_id, connection_id=connection_id, reason="gone")
