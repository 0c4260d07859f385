"""The stream of all of a user's orders: what it begins with, before what happens next.

It begins with a snapshot of the orders that are open, then what happened since the client was there last, as the same
frames as ever. All of that is read in one transaction with the mark and goes through a message group of the connection.
Until it is posted, no push of one of the user's orders posts to the connection; afterwards each sends what is past the
sequence that the client was shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from chalicelib.ports.orders import UserSnapshot
from chalicelib.ports.queues import Opening
from chalicelib.services.views import (
    SnapshotMessage,
    StatusMessage,
    event_view,
    open_order_view,
    order_view,
    status_message,
    timestamp,
)

MOST_OPEN = 100
MOST_EVENTS = 500
# Statuses of different orders overtake each other on their way: whoever has one from `since` may lack an earlier one of
# another order. Sent twice they are told apart by order and sequence.
OVERLAP = timedelta(seconds=60)
# API Gateway posts at most 128 KiB; SQS takes 256 KiB, the other parts of the message included.
FRAME_BYTES = 120_000
MESSAGE_BYTES = 200_000
PREFIX = "user#"

Frame: TypeAlias = SnapshotMessage | StatusMessage


def user_key(user_id: str) -> str:
    """What stands for all of the user's orders where a follower names an order; no order's id begins so."""
    return f"{PREFIX}{user_id}"


def is_user_key(key: str) -> bool:
    """Whether this stands for all orders of a user."""
    return key.startswith(PREFIX)


def overlapping(since: datetime) -> datetime:
    """From where on statuses are sent to somebody who has them up to `since`."""
    earliest = datetime.min.replace(tzinfo=since.tzinfo)
    return since - OVERLAP if since - earliest > OVERLAP else earliest


def opening_frames(user_id: str, snapshot: UserSnapshot, now: datetime) -> list[Frame]:
    """What the stream begins with: the snapshot, then a frame for each event, oldest first."""
    newest = {event.order_id: event.sequence for event in snapshot.events}
    frames: list[Frame] = [_snapshot_frame(user_id, snapshot, now)]
    for event in snapshot.events:
        order = snapshot.orders.get(event.order_id)
        is_newest = order is not None and newest[event.order_id] == event.sequence == order.sequence
        frames.append(status_message(event_view(event), order_view(order) if order and is_newest else None))
    return frames


def _snapshot_frame(user_id: str, snapshot: UserSnapshot, now: datetime) -> SnapshotMessage:
    shown = [open_order_view(order) for order in snapshot.open]
    frame: SnapshotMessage = {
        "type": "snapshot",
        "userId": user_id,
        "at": timestamp(now),
        "since": timestamp(snapshot.since) if snapshot.since else None,
        "open": shown,
        "more": snapshot.more,
    }
    # Only where names are as long as they may be, and not in ASCII: a frame that is too large would never come.
    while _size(frame) > FRAME_BYTES:
        frame["open"], frame["more"] = shown[: len(frame["open"]) * 9 // 10], True
    return frame


def shown_sequences(frames: Sequence[Frame]) -> dict[str, int]:
    """Up to where each order has been told by these frames."""
    shown: dict[str, int] = {}
    for frame in frames:
        if frame["type"] == "snapshot":
            shown.update({order["orderId"]: order["sequence"] for order in frame["open"]})
        else:
            shown[frame["orderId"]] = max(shown.get(frame["orderId"], 0), frame["sequence"])
    return shown


def openings(user_id: str, connection_id: str, subscribed_at: datetime, frames: Sequence[Frame]) -> Iterator[Opening]:
    """The frames in messages, each as large as one may be."""
    first, room, together = 1, MESSAGE_BYTES, list[Frame]()
    for frame in frames:
        size = _size(frame)
        if size > room and together:
            yield Opening(user_id, connection_id, subscribed_at, first, tuple(together))
            first, room, together = first + len(together), MESSAGE_BYTES, []
        together.append(frame)
        room -= size
    yield Opening(user_id, connection_id, subscribed_at, first, tuple(together))


def _size(frame: Mapping[str, object]) -> int:
    return len(json.dumps(frame, separators=(",", ":")))
