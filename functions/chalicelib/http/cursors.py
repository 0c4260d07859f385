"""Cursors: opaque to clients, signed, and good only for the filter that they came from."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from chalicelib.domain.errors import InvalidField
from chalicelib.http.problems import Problem, ProblemCode
from chalicelib.services.browse import OrderFilter, symbols_of

SIGNATURE_BYTES = 16


def encode_cursor(last_id: str, filters: OrderFilter, secret: str) -> str:
    """Where the next page goes on."""
    signature = _sign(last_id, filters, secret)
    return base64.urlsafe_b64encode(signature + last_id.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, filters: OrderFilter, secret: str) -> str:
    """The id after which to go on.

    Raises:
        Problem: the cursor was changed, or came from another filter.
    """
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last_id = content[SIGNATURE_BYTES:].decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        raise _invalid() from None
    if not hmac.compare_digest(content[:SIGNATURE_BYTES], _sign(last_id, filters, secret)):
        raise _invalid()
    return last_id


def _sign(last_id: str, filters: OrderFilter, secret: str) -> bytes:
    fields = [
        last_id,
        filters.user_id,
        filters.client_order_id,
        filters.status,
        filters.venue,
        symbols_of(filters.input_token),
        symbols_of(filters.output_token),
        filters.placed_from and filters.placed_from.isoformat(),
        filters.placed_before and filters.placed_before.isoformat(),
    ]
    return hmac.new(secret.encode(), json.dumps(fields).encode(), hashlib.sha256).digest()[:SIGNATURE_BYTES]


def _invalid() -> Problem:
    return Problem(
        ProblemCode.INVALID_CURSOR,
        "Use nextCursor of the page before, with the same filters, and change nothing in it.",
        fields=(InvalidField("cursor", "must be nextCursor of a page with the same filters"),),
    )
