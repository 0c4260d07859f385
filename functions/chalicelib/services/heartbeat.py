"""Heartbeats: every open connection hears from us at least every 30 s, so that silence means that it is broken.

API Gateway has no timers, so a schedule starts each minute with one beat, and each beat but the minute's last queues
the next one (decision 0006).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.followers import Connections, Delivery, Notifier
from chalicelib.ports.runtime import Clock, Telemetry
from chalicelib.services.views import timestamp

# Promised are 30 s, from connecting too: what schedule, queue and the posts themselves take must fit in between.
INTERVAL_SECONDS = 20
BEATS_A_MINUTE = 3
FIRST = 1
SESSION_OVER = json.dumps(
    {
        "type": "error",
        "code": "session_over",
        "message": "The access token behind this connection has expired: connect again with a new ticket.",
    },
    separators=(",", ":"),
)


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
    """Sends one heartbeat to every connection and returns how many it reached; closes those whose session is over.

    `number` is the beat's within the minute, from 1.

    An outage costs this beat and no more: a late heartbeat would say less than none.
    """
    if number < BEATS_A_MINUTE:
        _schedule_next(number + 1, ports)
    now = ports.clock.now()
    frame = json.dumps({"type": "heartbeat", "at": timestamp(now)}, separators=(",", ":"))
    try:
        open_connections = sorted(ports.connections.sessions().items())
        reached = sum(
            ports.threads.map(
                lambda one: _end_session(one[0], ports) if one[1] and now >= one[1] else _send(frame, one[0], ports),
                open_connections,
            )
        )
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


def _end_session(connection_id: str, ports: HeartbeatPorts) -> bool:
    reached = _send(SESSION_OVER, connection_id, ports)
    closed = ports.notifier.close(connection_id)
    ports.telemetry.log("session_ended", connection_id=connection_id, closed=closed)
    return reached


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
