"""Pushing what a stream of all orders of a user begins with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.followers import Delivery, Follower
from chalicelib.ports.queues import Opening
from chalicelib.services.posting import (
    BETWEEN_TRIES_SECONDS,
    HANDSHAKE_TIMEOUT_SECONDS,
    MAX_TRIES,
    Postponed,
    Pusher,
    post,
    record,
    record_dropped,
)
from chalicelib.services.user_stream import user_key


def push_opening(messages: Sequence[Opening], pusher: Pusher, until: datetime | None = None) -> None:
    """Posts what streams of all orders of a user begin with: the messages of one connection's group, in order.

    Raises:
        Postponed: the connection cannot be posted to yet.
        Unavailable: as `push_newest`.
    """
    for message in messages:
        follower = pusher.followers.find(user_key(message.user_id), message.connection_id)
        if follower is not None and follower.connected_at == message.subscribed_at:
            _post_opening(follower, message, pusher, until)


def _post_opening(follower: Follower, message: Opening, pusher: Pusher, until: datetime | None) -> None:
    sent, delivery = follower.last_sequence, Delivery.DELIVERED
    for number, frame in enumerate(message.frames, message.first):
        now = pusher.clock.now()
        if number <= sent or follower.is_over(now):
            continue
        if until is not None and now >= until:
            break
        delivery = post(follower, json.dumps(frame, separators=(",", ":")), pusher, HANDSHAKE_TIMEOUT_SECONDS)
        if delivery is not Delivery.DELIVERED:
            break
        follower, sent = replace(follower, opened=True), number
    if sent > follower.last_sequence:
        pusher.crash_point("after_post")
        record(follower, sent, pusher, until)
        pusher.telemetry.add_metric("PushedMessages", sent - follower.last_sequence)
    opening = delivery is Delivery.GONE and follower.may_still_open(pusher.clock.now())
    if delivery is Delivery.DELIVERED:
        if sent < message.first + len(message.frames) - 1 and not follower.is_over(pusher.clock.now()):
            raise Unavailable("Too many frames for one invocation: the others are posted by the next.")
    elif opening or (delivery is Delivery.BUSY and message.tries < MAX_TRIES):
        raise Postponed(BETWEEN_TRIES_SECONDS)
    else:
        _forget(follower, delivery, pusher)


def _forget(follower: Follower, delivery: Delivery, pusher: Pusher) -> None:
    """Ends a stream of all orders of a user that cannot go on. Its client comes back with the time of what it has."""
    if delivery is Delivery.BUSY and not pusher.notifier.close(follower.connection_id):
        raise Unavailable(f"The connection {follower.connection_id} can neither be posted to nor closed.")
    pusher.followers.remove(*follower.key)
    record_dropped(follower, delivery, pusher)
