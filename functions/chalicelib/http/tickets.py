"""Stream tickets: browsers send no headers with a WebSocket, so the URL says who may follow what, for a short while.

`t1.GENERATION.PAYLOAD.SIGNATURE`. Nothing is kept of a ticket: it may be used as often as its client connects until it
expires, and a new generation of keys ends those of two generations ago. What it lets its bearer do is to read.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from chalicelib.domain.errors import TicketRefused
from chalicelib.domain.identity import Identity
from chalicelib.http.signing import Purpose, SigningKeys

TICKET_LIFETIME = timedelta(seconds=300)
# Linear, and bounded before anything is decoded: a subject has at most 128 characters.
TICKET = re.compile(r"(t1\.([1-9][0-9]{0,6})\.([A-Za-z0-9_-]{1,1024}))\.([A-Za-z0-9_-]{22})")

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class StreamTicket:
    """Lets its bearer follow one order, or any of the subject's where `order_id` is None.

    `subject` is None where open mode issued it. `session_ends_at` is the access token's own end: nothing is sent to a
    connection after it; None in open mode.
    """

    subject: str | None
    order_id: str | None
    expires_at: datetime
    session_ends_at: datetime | None


def issue_ticket(identity: Identity, order_id: str | None, now: datetime) -> StreamTicket:
    """A ticket for five minutes, or until the access token ends where that is sooner; in whole seconds."""
    ends_at = identity.expires_at
    expires_at = min(now + TICKET_LIFETIME, ends_at) if ends_at else now + TICKET_LIFETIME
    return StreamTicket(identity.owner.subject, order_id, expires_at.replace(microsecond=0), ends_at)


def write_ticket(ticket: StreamTicket, keys: SigningKeys) -> str:
    """The ticket as clients send it."""
    session_end = ticket.session_ends_at and int(ticket.session_ends_at.timestamp())
    fields = [ticket.subject, ticket.order_id, int(ticket.expires_at.timestamp()), session_end]
    payload = _text(_ENCODER.encode(fields).encode())
    signed = f"t1.{keys.generation}.{payload}"
    return f"{signed}.{_text(keys.sign(Purpose.STREAM_TICKET, signed.encode()))}"


def read_ticket(text: str, now: datetime, keys: SigningKeys) -> StreamTicket:
    """What the ticket lets its bearer do.

    Raises:
        TicketRefused: it is none of ours, was changed, has expired, or is of two generations ago. Which of these is
            for no client to know.
    """
    parts = TICKET.fullmatch(text)
    if parts is None or int(parts[2]) not in keys.accepted:
        raise TicketRefused
    signed, generation = parts[1], int(parts[2])
    # The text is compared, not its bytes: of base64's last character, some bits count for nothing.
    expected = _text(keys.sign(Purpose.STREAM_TICKET, signed.encode(), generation))
    if not hmac.compare_digest(parts[4], expected):
        raise TicketRefused
    subject, order_id, expires, session_end = json.loads(
        base64.urlsafe_b64decode(parts[3] + "=" * (-len(parts[3]) % 4))
    )
    ticket = StreamTicket(subject, order_id, _moment(expires), session_end and _moment(session_end))
    if now >= ticket.expires_at:
        raise TicketRefused
    return ticket


def stream_url(websocket_url: str, named: str, ticket: str | None) -> str:
    """Where the stream is opened; `named` is `order_named` or `user_named`."""
    return f"{websocket_url}?{named}" + (f"&ticket={ticket}" if ticket else "")


def order_named(order_id: str) -> str:
    """The query of one order's stream."""
    return f"orderId={quote(order_id, safe='')}"


def user_named(user_id: str) -> str:
    """The query of the stream of all orders of a user."""
    return f"userId={quote(user_id, safe='')}"


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
