"""Pushing an order's history to everybody who follows it, by its name or all orders of its user.

A message is the whole history so far, so whoever pushes sends each follower what is past that follower's
`last_sequence`: a lost, late or repeated message heals with the next one. The frame is posted first and recorded
after: only a crash between the two can repeat it, with the same sequence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.transitions import TERMINAL
from chalicelib.ports.followers import Delivery, Follower, Followers
from chalicelib.services.posting import (
    BETWEEN_TRIES_SECONDS,
    HANDSHAKE_POLL_SECONDS,
    HANDSHAKE_TIMEOUT_SECONDS,
    MAX_TRIES,
    Postponed,
    Push,
    Pusher,
    post,
    record,
    record_dropped,
)
from chalicelib.services.user_stream import user_key
from chalicelib.services.views import EventView, HistoryView, status_message

# How long a stream of all of a user's orders may take for what it begins with; what happens meanwhile waits apart.
OPENING_AGE = timedelta(seconds=60)


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
        for follower, push in _recipients(pushes, pusher.followers)
    ]
    # An error is raised when all are through: a container that is frozen with threads at work would post the rest
    # whenever it wakes up, beside whoever got the message meanwhile.
    wait(pushing)
    outcomes = [future.result() for future in pushing]
    if outcomes:
        pusher.telemetry.add_metric("PushedMessages", sum(outcomes))
    order = max(pushes, key=_sequence).history["order"]
    # At INFO the end alone, which tells whether followers heard it.
    log = pusher.telemetry.log if order["status"] in TERMINAL else pusher.telemetry.debug
    log(
        "status_pushed",
        order_id=order["orderId"],
        sequence=order["sequence"],
        status=order["status"],
        followers=len(outcomes),
        frames=sum(outcomes),
    )


def _sequence(push: Push) -> int:
    return push.history["order"]["sequence"]


def _recipients(pushes: Sequence[Push], followers: Followers) -> Iterator[tuple[Follower, Push]]:
    """Whom to bring up to date with what: the newest that is for all or for this one.

    A follower is stored before its own message is queued, so whoever a message is for is found, if he is still there.
    """
    order_id = pushes[0].history["order"]["orderId"]
    # The newest comes last, and takes the place of the others.
    in_order = sorted(pushes, key=lambda push: (_sequence(push), push.connection_id is None))
    for_all = next((push for push in reversed(in_order) if push.connection_id is None), None)
    for_one = {push.connection_id: push for push in in_order if push.connection_id is not None}
    if for_all is not None:
        rows = followers.of_order(order_id)
        for follower in rows:
            if not follower.of_user:
                yield follower, max(for_all, for_one.get(follower.connection_id, for_all), key=_sequence)
        if any(push.of_user for push in pushes):
            for follower in _through_user(for_all.history, rows, followers):
                yield follower, for_all
        return
    tries = max(push.tries for push in pushes)
    for connection_id, push in for_one.items():
        found = followers.find(order_id, connection_id)
        if found is not None and found.of_user:
            subscription = followers.find(user_key(push.history["order"]["userId"]), connection_id)
            found = _as_shown_to(found, subscription) if subscription is not None else None
        # Who has subscribed anew is told in the order's group again, and would hear of it twice.
        if found is not None and not (push.apart and not found.apart):
            yield found, replace(push, tries=tries)


def _through_user(history: HistoryView, rows: Sequence[Follower], followers: Followers) -> Iterator[Follower]:
    """Those who follow the order with all others of its user, and not by its name."""
    order_id, of_order = history["order"]["orderId"], {row.connection_id: row for row in rows}
    of_user = followers.of_order(user_key(history["order"]["userId"]))
    for subscription in of_user:
        row = of_order.get(subscription.connection_id)
        if row is None:
            row = Follower(order_id, subscription.connection_id, 0, subscription.connected_at, of_user=True)
        if row.of_user:
            yield _as_shown_to(row, subscription)
    for row in rows:
        if row.of_user and row.connection_id not in {subscription.connection_id for subscription in of_user}:
            followers.remove(*row.key)


def _as_shown_to(row: Follower, subscription: Follower) -> Follower:
    """The follower as this subscription to all orders of the user has been told of the order."""
    if row.connected_at < subscription.connected_at:
        # It is of an earlier subscription, which this one replaced.
        row = Follower(row.order_id, row.connection_id, 0, subscription.connected_at, of_user=True)
    return replace(
        row,
        last_sequence=max(row.last_sequence, subscription.shown.get(row.order_id, 0)),
        opened=subscription.opened,
        session_ends_at=subscription.session_ends_at,
        through=subscription,
    )


def _bring_up_to_date(follower: Follower, push: Push, pusher: Pusher, until: datetime | None) -> int:
    """Posts what the follower has not seen; gives the number of frames."""
    missing = _missing(follower, push)
    if missing and until is not None and pusher.clock.now() >= until:
        # Whoever is posted to and not recorded before the invocation is killed would get the frame twice.
        raise Unavailable("Too many followers for one invocation: the others are served by the next.")
    if missing and follower.apart and not push.apart:
        pusher.requeue(Push(push.history, follower.connection_id, apart=True))
        return 0
    waits = follower.through is not None and not follower.through.has_begun
    if missing and waits and not follower.is_over(pusher.clock.now()):
        begun = _wait_for_beginning(follower, push, pusher)
        if begun is None:
            return 0
        follower, missing = begun, _missing(begun, push)
    sent, delivery = 0, Delivery.DELIVERED
    for event in missing:
        if follower.is_over(pusher.clock.now()):
            # It stays a follower: the heartbeat says so and closes, which may be some seconds later.
            break
        newest = event is missing[-1]
        frame = status_message(event, push.history["order"] if newest else None)
        delivery = post(
            follower, json.dumps(frame, separators=(",", ":")), pusher, 0.0 if push.apart else HANDSHAKE_TIMEOUT_SECONDS
        )
        if delivery is not Delivery.DELIVERED:
            break
        follower = replace(follower, opened=True)
        sent += 1
    if sent:
        pusher.crash_point("after_post")
        record(follower, missing[sent - 1]["sequence"], pusher, until)
        follower = replace(follower, last_sequence=missing[sent - 1]["sequence"])
    if delivery is not Delivery.DELIVERED:
        _requeue_or_drop(follower, delivery, push, pusher, until)
    return sent


def _missing(follower: Follower, push: Push) -> list[EventView]:
    return [event for event in push.history["events"] if event["sequence"] > follower.last_sequence]


def _wait_for_beginning(follower: Follower, push: Push, pusher: Pusher) -> Follower | None:
    """The follower once everything was posted that his stream of all orders begins with; None where he has to wait.

    Raises:
        Postponed: he waits in his own group, and is tried again there.
    """
    subscription, waited = follower.through, 0.0
    limit = 0.0 if push.apart else HANDSHAKE_TIMEOUT_SECONDS
    while subscription is not None:
        if subscription.has_begun:
            return _as_shown_to(follower, subscription)
        if waited >= limit:
            break
        pusher.clock.sleep(HANDSHAKE_POLL_SECONDS)
        waited += HANDSHAKE_POLL_SECONDS
        found = pusher.followers.find(*subscription.key)
        # Whoever subscribed anew meanwhile is told by what that begins with.
        subscription = found if found is not None and found.connected_at == subscription.connected_at else None
    if subscription is None:
        return None
    if pusher.clock.now() - subscription.connected_at > OPENING_AGE:
        _drop(follower, Delivery.BUSY, push, pusher)
        return None
    if push.apart:
        raise Postponed(BETWEEN_TRIES_SECONDS)
    pusher.followers.set_apart(follower)
    pusher.requeue(Push(push.history, follower.connection_id, apart=True))
    return None


def _requeue_or_drop(
    follower: Follower, delivery: Delivery, push: Push, pusher: Pusher, until: datetime | None
) -> None:
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
    if follower.through is not None:
        pusher.followers.remove(*follower.through.key)
    record_dropped(follower, delivery, pusher)
