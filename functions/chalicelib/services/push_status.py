"""Pushing an order's history to everybody who follows it.

A message is the whole history so far, so whoever pushes sends each follower what is past that follower's
`last_sequence`: a lost, late or repeated message heals with the next one. The frame is posted first and recorded
after: only a crash between the two can repeat it, with the same sequence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.transitions import TERMINAL
from chalicelib.services.followers import Delivery, Follower, Followers, Notifier
from chalicelib.services.ports import Clock, CrashPoint, Telemetry
from chalicelib.services.views import ErrorView, EventView, HistoryView, StatusMessage


@dataclass(frozen=True, slots=True)
class Push:
    """A message of the status-events queue; `connection_id` narrows it to one follower, `tries` counts its returns."""

    history: HistoryView
    connection_id: str | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Pusher:
    """The ports that a push needs; `requeue` queues a push once more for one follower, behind what waits already."""

    followers: Followers
    notifier: Notifier
    clock: Clock
    telemetry: Telemetry
    crash_point: CrashPoint
    requeue: Callable[[Push], None]
    threads: ThreadPoolExecutor


# A handshake usually takes some tens of milliseconds. One that takes longer must not hold up the order's next statuses.
HANDSHAKE_TIMEOUT_SECONDS = 1.0
LATER_HANDSHAKE_TIMEOUT_SECONDS = 0.3
HANDSHAKE_POLL_SECONDS = 0.02
MAX_TRIES = 5
# A FIFO queue delivers a message that was put back at once: without a pause all tries would be over in an instant.
BUSY_PAUSE_SECONDS = 0.1
RECORD_TRIES = 5


def push_newest(pushes: Sequence[Push], pusher: Pusher, until: datetime | None = None) -> None:
    """Pushes what one order's messages of a batch amount to: the newest history holds all that the others say.

    A message for one follower is covered by a newer one for all, because followers are stored before they are queued.

    Raises:
        Unavailable: as `push_status`; pushing all of them again is harmless.
    """
    for_all = [push for push in pushes if push.connection_id is None]
    newest = max(for_all, key=_sequence, default=None)
    covered = _sequence(newest) if newest else 0
    # The newer of two for one follower counts: one that came back to the queue stands behind newer ones.
    in_order = sorted(pushes, key=_sequence)
    for_one = {push.connection_id: push for push in in_order if push.connection_id and _sequence(push) > covered}
    for push in ([newest] if newest else []) + list(for_one.values()):
        push_status(push, pusher, until)


def _sequence(push: Push) -> int:
    return push.history["order"]["sequence"]


def push_status(push: Push, pusher: Pusher, until: datetime | None = None) -> None:
    """Brings every follower of the order up to date, all of them at once.

    Raises:
        Unavailable: the connections table or the queue cannot be reached, or not everybody could be served before
            `until`, when the invocation must be over; what was sent is recorded.
    """
    order_id = push.history["order"]["orderId"]
    followers = _addressed(push, pusher.followers, order_id)
    # Each in a copy of this context: its log lines name the order and the request.
    pushing = [
        pusher.threads.submit(copy_context().run, _bring_up_to_date, follower, push, pusher, until)
        for follower in followers
    ]
    # An error is raised when all are through: a container that is frozen with threads at work would post the rest
    # whenever it wakes up, beside whoever got the message meanwhile.
    wait(pushing)
    outcomes = [future.result() for future in pushing]
    if outcomes:
        pusher.telemetry.add_metric("PushedMessages", sum(outcomes))
    # At INFO the end alone, which tells whether followers heard it.
    say = pusher.telemetry.log if push.history["order"]["status"] in TERMINAL else pusher.telemetry.debug
    say(
        "status_pushed",
        order_id=order_id,
        sequence=push.history["order"]["sequence"],
        status=push.history["order"]["status"],
        followers=len(outcomes),
        frames=sum(outcomes),
    )


def _addressed(push: Push, followers: Followers, order_id: str) -> Iterable[Follower]:
    if push.connection_id is None:
        return followers.of_order(order_id)
    follower = followers.find(order_id, push.connection_id)
    return [follower] if follower else []


def _bring_up_to_date(follower: Follower, push: Push, pusher: Pusher, until: datetime | None) -> int:
    """Posts what the follower has not seen; gives the number of frames."""
    missing = [event for event in push.history["events"] if event["sequence"] > follower.last_sequence]
    if missing and until is not None and pusher.clock.now() >= until:
        # Whoever is posted to and not recorded before the invocation is killed would get the frame twice.
        raise Unavailable("Too many followers for one invocation: the others are served by the next.")
    sent, delivery = 0, Delivery.DELIVERED
    for event in missing:
        if follower.is_over(pusher.clock.now()):
            # It stays a follower: the heartbeat says so and closes, which may be some seconds later.
            break
        newest = event is missing[-1]
        frame = status_message(event, push.history if newest else None)
        delivery = _post(follower, json.dumps(frame, separators=(",", ":")), push, pusher)
        if delivery is not Delivery.DELIVERED:
            break
        follower = replace(follower, opened=True)
        sent += 1
    if sent:
        pusher.crash_point("after_post")
        _record(follower, missing[sent - 1]["sequence"], pusher, until)
    if delivery is not Delivery.DELIVERED:
        _requeue_or_drop(follower, delivery, push, pusher)
    return sent


def _record(follower: Follower, sequence: int, pusher: Pusher, until: datetime | None) -> None:
    """Notes what was posted, patiently: what is not noted is posted a second time. Raises `Unavailable`.

    Past `until` it tries once: the invocation has no time for more.
    """
    for tries in range(RECORD_TRIES - 1):
        if until is not None and pusher.clock.now() >= until:
            break
        try:
            pusher.followers.record(follower, sequence)
        except Unavailable:
            pusher.clock.sleep(BUSY_PAUSE_SECONDS * 2**tries)
        else:
            return
    pusher.followers.record(follower, sequence)


def status_message(event: EventView, history: HistoryView | None) -> StatusMessage:
    """The frame of one event; with the whole order where a history is given."""
    tx_hash = event["meta"].get("txHash")
    message: StatusMessage = {
        "type": "status",
        "orderId": event["orderId"],
        "sequence": event["sequence"],
        "status": event["status"],
        "attempt": event["attempt"],
        "at": event["at"],
        "message": event["message"],
        "meta": event["meta"],
        "txHash": tx_hash if isinstance(tx_hash, str) else None,
    }
    if "error" in event["meta"]:
        message["error"] = cast("ErrorView", event["meta"]["error"])
    if history is not None:
        message["order"] = history["order"]
    return message


def _post(follower: Follower, frame: str, push: Push, pusher: Pusher) -> Delivery:
    delivery = pusher.notifier.post(follower.connection_id, frame)
    limit = LATER_HANDSHAKE_TIMEOUT_SECONDS if push.tries else HANDSHAKE_TIMEOUT_SECONDS
    waited = 0.0
    while delivery is Delivery.GONE and follower.may_still_open(pusher.clock.now()) and waited < limit:
        pusher.clock.sleep(HANDSHAKE_POLL_SECONDS)
        waited += HANDSHAKE_POLL_SECONDS
        delivery = pusher.notifier.post(follower.connection_id, frame)
    return delivery


def _requeue_or_drop(follower: Follower, delivery: Delivery, push: Push, pusher: Pusher) -> None:
    """A follower that cannot be served now never holds up the others: its push goes to the end of the queue."""
    if delivery is Delivery.GONE and follower.may_still_open(pusher.clock.now()):
        pusher.requeue(Push(push.history, follower.connection_id, push.tries + 1))
    elif delivery is Delivery.BUSY and push.tries < MAX_TRIES:
        pusher.clock.sleep(BUSY_PAUSE_SECONDS * 2**push.tries)
        pusher.requeue(Push(push.history, follower.connection_id, push.tries + 1))
    else:
        _drop(follower, delivery, push, pusher)


def _drop(follower: Follower, delivery: Delivery, push: Push, pusher: Pusher) -> None:
    """A stream with a hole would be a lie: closed, its client comes back with the sequence it has.

    Raises:
        Unavailable: an end can neither be told nor the connection closed now: the message must come again.
    """
    if delivery is Delivery.BUSY and not pusher.notifier.close(follower.connection_id):
        if push.history["order"]["status"] in TERMINAL:
            raise Unavailable(f"The connection {follower.connection_id} can neither be posted to nor closed.")
        # It stays a follower: the next status brings all that it misses, and tries as often again.
        return
    pusher.followers.remove(follower.order_id, follower.connection_id)
    pusher.telemetry.log(
        "follower_dropped",
        order_id=follower.order_id,
        connection_id=follower.connection_id,
        reason=delivery.value,
    )
    pusher.telemetry.add_metric("FollowersDropped", reason=delivery.value)
