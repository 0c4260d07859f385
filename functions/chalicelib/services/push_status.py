"""Pushing an order's history to everybody who follows it.

A message is the whole history so far, so whoever pushes sends each follower what is past that follower's
`last_sequence`: a lost, late or repeated message heals with the next one. The frame is posted first and recorded
after: only a crash between the two can repeat it, with the same sequence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
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
    """A message of the status-events queue; `connection_id` narrows it to one follower.

    `apart` where it stands in that follower's own message group; `tries` are its deliveries before this one.
    """

    history: HistoryView
    connection_id: str | None = None
    apart: bool = False
    tries: int = 0


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


def push_newest(pushes: Sequence[Push], pusher: Pusher, until: datetime | None = None) -> None:
    """Pushes what the messages of one group amount to: the newest history holds all that the others say.

    The followers are read once and served all at once, each what it has not seen.

    Raises:
        Postponed: the one follower of this group cannot be served yet.
        Unavailable: the connections table or the queue cannot be reached, or not everybody could be served before
            `until`, when the invocation must be over; what was sent is recorded. Pushing again is harmless.
    """
    if not pushes:
        return
    # Each in a copy of this context: its log lines name the order and the request.
    pushing = [
        pusher.threads.submit(copy_context().run, _bring_up_to_date, follower, push, pusher, until)
        for follower, push in _addressed(pushes, pusher.followers)
    ]
    # An error is raised when all are through: a container that is frozen with threads at work would post the rest
    # whenever it wakes up, beside whoever got the message meanwhile.
    wait(pushing)
    outcomes = [future.result() for future in pushing]
    if outcomes:
        pusher.telemetry.add_metric("PushedMessages", sum(outcomes))
    order = max(pushes, key=_sequence).history["order"]
    # At INFO the end alone, which tells whether followers heard it.
    say = pusher.telemetry.log if order["status"] in TERMINAL else pusher.telemetry.debug
    say(
        "status_pushed",
        order_id=order["orderId"],
        sequence=order["sequence"],
        status=order["status"],
        followers=len(outcomes),
        frames=sum(outcomes),
    )


def _sequence(push: Push) -> int:
    return push.history["order"]["sequence"]


def _addressed(pushes: Sequence[Push], followers: Followers) -> Iterator[tuple[Follower, Push]]:
    """Whom to bring up to date with what: the newest that is for all or for this one.

    A follower is stored before its own message is queued, so whoever a message is for is found, if he is still there.
    """
    order_id = pushes[0].history["order"]["orderId"]
    # The newest comes last, and takes the place of the others.
    in_order = sorted(pushes, key=lambda push: (_sequence(push), push.connection_id is None))
    for_all = next((push for push in reversed(in_order) if push.connection_id is None), None)
    for_one = {push.connection_id: push for push in in_order if push.connection_id is not None}
    if for_all is not None:
        for follower in followers.of_order(order_id):
            yield follower, max(for_all, for_one.get(follower.connection_id, for_all), key=_sequence)
        return
    tries = max(push.tries for push in pushes)
    for connection_id, push in for_one.items():
        found = followers.find(order_id, connection_id)
        # Who has subscribed anew is told in the order's group again, and would hear of it twice.
        if found is not None and not (push.apart and not found.apart):
            yield found, replace(push, tries=tries)


def _bring_up_to_date(follower: Follower, push: Push, pusher: Pusher, until: datetime | None) -> int:
    """Posts what the follower has not seen; gives the number of frames."""
    missing = [event for event in push.history["events"] if event["sequence"] > follower.last_sequence]
    if missing and until is not None and pusher.clock.now() >= until:
        # Whoever is posted to and not recorded before the invocation is killed would get the frame twice.
        raise Unavailable("Too many followers for one invocation: the others are served by the next.")
    if missing and follower.apart and not push.apart:
        pusher.requeue(Push(push.history, follower.connection_id, apart=True))
        return 0
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
        _give_way(follower, delivery, push, pusher, until)
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
            pusher.clock.sleep(RECORD_PAUSE_SECONDS * 2**tries)
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
    limit = 0.0 if push.apart else HANDSHAKE_TIMEOUT_SECONDS
    waited = 0.0
    while delivery is Delivery.GONE and follower.may_still_open(pusher.clock.now()) and waited < limit:
        pusher.clock.sleep(HANDSHAKE_POLL_SECONDS)
        waited += HANDSHAKE_POLL_SECONDS
        delivery = pusher.notifier.post(follower.connection_id, frame)
    return delivery


def _give_way(follower: Follower, delivery: Delivery, push: Push, pusher: Pusher, until: datetime | None) -> None:
    """A follower that cannot be served now never holds up the others: it gets a message group of its own.

    Raises:
        Postponed: it has one, and is tried again there.
        Unavailable: the post took what was left of the invocation; the message comes again.
    """
    opening = delivery is Delivery.GONE and follower.may_still_open(pusher.clock.now())
    if not opening and (delivery is Delivery.GONE or push.tries >= MAX_TRIES):
        _drop(follower, delivery, push, pusher)
    elif push.apart:
        raise Postponed(BETWEEN_TRIES_SECONDS)
    elif until is not None and pusher.clock.now() >= until:
        raise Unavailable("The invocation has no time left for a follower that cannot be served.")
    else:
        # In this order: what stands in its group is pushed only to who has one.
        pusher.followers.set_apart(follower)
        pusher.requeue(Push(push.history, follower.connection_id, apart=True))


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
