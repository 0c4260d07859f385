"""Cursors: opaque to clients, signed, and good only for the filter that they came from."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from chalicelib.domain.errors import InvalidField
from chalicelib.http.catalogue import ProblemCode
from chalicelib.http.problems import Problem
from chalicelib.services.browse import OrderFilter

SIGNATURE_BYTES = 16


def write_cursor(last_id: str, which: OrderFilter, secret: str) -> str:
    """Where the next page goes on."""
    signature = _sign(last_id, which, secret)
    return base64.urlsafe_b64encode(signature + last_id.encode()).decode().rstrip("=")


def read_cursor(cursor: str, which: OrderFilter, secret: str) -> str:
    """The id after which to go on.

    Raises:
        Problem: the cursor was changed, or came from another filter.
    """
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last_id = content[SIGNATURE_BYTES:].decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        raise _invalid() from None
    if not hmac.compare_digest(content[:SIGNATURE_BYTES], _sign(last_id, which, secret)):
        raise _invalid()
    return last_id


def _sign(last_id: str, which: OrderFilter, secret: str) -> bytes:
    fields = [
        last_id,
        which.user_id,
        which.client_order_id,
        which.status,
        which.venue,
        which.input_token and which.input_token.symbol,
        which.output_token and which.output_token.symbol,
        which.placed_from and which.placed_from.isoformat(),
        which.placed_before and which.placed_before.isoformat(),
    ]
    return hmac.new(secret.encode(), json.dumps(fields).encode(), hashlib.sha256).digest()[:SIGNATURE_BYTES]


def _invalid() -> Problem:
    return Problem(
        ProblemCode.INVALID_CURSOR,
        "Use nextCursor of the page before, with the same filters, and change nothing in it.",
        fields=(InvalidField("cursor", "must be nextCursor of a page with the same filters"),),
    )
