"""Cursors: opaque to clients, signed, and good only for the filter that they came from."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime

from chalicelib.domain.errors import InvalidField
from chalicelib.http.problems import Problem, ProblemCode
from chalicelib.http.signing import MAC_BYTES, Purpose, SigningKeys
from chalicelib.ports.history import FeedPlace, OrderFilter, symbols_of


def encode_cursor(last_id: str, filters: OrderFilter, keys: SigningKeys) -> str:
    """Where the next page goes on."""
    signature = keys.sign(Purpose.CURSOR, _content(last_id, filters))
    return base64.urlsafe_b64encode(signature + last_id.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, filters: OrderFilter, keys: SigningKeys) -> str:
    """The id after which to go on.

    Raises:
        Problem: the cursor was changed, came from another filter, or was signed two generations ago.
    """
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last_id = content[MAC_BYTES:].decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        raise _invalid() from None
    if not keys.holds(Purpose.CURSOR, _content(last_id, filters), content[:MAC_BYTES]):
        raise _invalid()
    return last_id


def encode_place(place: FeedPlace | None, user_id: str, keys: SigningKeys) -> str:
    """Where a feed goes on; None for its beginning."""
    text = json.dumps([place.at.isoformat(), place.order_id, place.sequence] if place else None)
    signature = keys.sign(Purpose.FEED, _feed_content(text, user_id))
    return base64.urlsafe_b64encode(signature + text.encode()).decode().rstrip("=")


def decode_place(cursor: str, user_id: str, keys: SigningKeys) -> FeedPlace | None:
    """The place that the cursor stands for.

    Raises:
        Problem: as `decode_cursor`; another filter is another user.
    """
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        text = content[MAC_BYTES:].decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        raise _invalid("after") from None
    if not keys.holds(Purpose.FEED, _feed_content(text, user_id), content[:MAC_BYTES]):
        raise _invalid("after")
    place = json.loads(text)
    return FeedPlace(datetime.fromisoformat(place[0]), place[1], place[2]) if place else None


def _feed_content(text: str, user_id: str) -> bytes:
    return json.dumps([text, user_id]).encode()


def _content(last_id: str, filters: OrderFilter) -> bytes:
    fields = [
        last_id,
        filters.user_id,
        filters.client_order_id,
        filters.status,
        # Only then: a cursor that came before the filter existed still leads on.
        *([filters.order_type] if filters.order_type else []),
        filters.venue,
        symbols_of(filters.input_token),
        symbols_of(filters.output_token),
        filters.placed_from and filters.placed_from.isoformat(),
        filters.placed_before and filters.placed_before.isoformat(),
    ]
    return json.dumps(fields).encode()


def _invalid(field: str = "cursor") -> Problem:
    return Problem(
        ProblemCode.INVALID_CURSOR,
        "Use nextCursor of the page before, with the same filters, and change nothing in it.",
        fields=(InvalidField(field, "must be nextCursor of a page with the same filters"),),
    )
