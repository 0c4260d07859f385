"""Posting frames to a connection and noting that they were posted."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.followers import Delivery, Follower, Followers, Notifier
from chalicelib.ports.runtime import Clock, CrashPoint, Telemetry
from chalicelib.services.views import HistoryView


@dataclass(frozen=True, slots=True)
class Push:
    """A message of the status-events queue; `connection_id` narrows it to one follower.

    `apart` where it stands in that follower's own message group; `tries` are its deliveries before this one.
    `of_user` where somebody may follow all orders of the order's user.
    """

    history: HistoryView
    connection_id: str | None = None
    apart: bool = False
    tries: int = 0
    of_user: bool = True


class Postponed(Exception):
    """The message is to come again in so many seconds; nothing went wrong."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"It comes again in {seconds} s.")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Pusher:
    """The ports that a push needs; `requeue` puts a push into its follower's own message group."""

    followers: Followers
    notifier: Notifier
    clock: Clock
    telemetry: Telemetry
    crash_point: CrashPoint
    requeue: Callable[[Push], None]
    threads: ThreadPoolExecutor


# A handshake usually takes some tens of milliseconds. One that takes longer must not hold up the order's next statuses.
HANDSHAKE_TIMEOUT_SECONDS = 1.0
HANDSHAKE_POLL_SECONDS = 0.02
# In a follower's own message group, where nobody else waits.
MAX_TRIES = 4
BETWEEN_TRIES_SECONDS = 1
RECORD_TRIES = 5
RECORD_PAUSE_SECONDS = 0.1


def record(follower: Follower, sequence: int, pusher: Pusher, until: datetime | None) -> None:
    """Notes what was posted, patiently: what is not noted is posted a second time. Raises `Unavailable`.

    Past `until` it tries once: the invocation has no time for more.
    """
    for tries in range(RECORD_TRIES - 1):
        if until is not None and pusher.clock.now() >= until:
            break
        try:
            pusher.followers.record(follower, sequence)
        except Unavailable:
            pusher.clock.sleep(RECORD_PAUSE_SECONDS * 2**tries)
        else:
            return
    pusher.followers.record(follower, sequence)


def post(follower: Follower, frame: str, pusher: Pusher, limit: float) -> Delivery:
    """Posts the frame; a handshake that is not over is waited for so many seconds."""
    delivery = pusher.notifier.post(follower.connection_id, frame)
    waited = 0.0
    while delivery is Delivery.GONE and follower.may_still_open(pusher.clock.now()) and waited < limit:
        pusher.clock.sleep(HANDSHAKE_POLL_SECONDS)
        waited += HANDSHAKE_POLL_SECONDS
        delivery = pusher.notifier.post(follower.connection_id, frame)
    return delivery


def record_dropped(follower: Follower, delivery: Delivery, pusher: Pusher) -> None:
    """Logs and counts a follower that will hear no more."""
    pusher.telemetry.log(
        "follower_dropped",
        order_id=follower.order_id,
        connection_id=follower.connection_id,
        reason=delivery.value,
    )
    pusher.telemetry.add_metric("FollowersDropped", reason=delivery.value)
