"""The WebSocket interface: what clients send on connecting and afterwards, and the replies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

from chalicelib.domain.errors import OrderNotFound, Unavailable
from chalicelib.services.subscriptions import Desk, TooManySubscriptions, subscribe, subscribe_too

MAX_MESSAGE_BYTES = 32 * 1024
MAX_AFTER = 1_000_000
ACTIONS = "subscribe, unsubscribe, ping"


class StreamError(Exception):
    """A message or a handshake that cannot be understood; `code` is for programs, `status` for a handshake."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Reply(TypedDict):
    """A frame that answers a client's message."""

    type: Literal["pong", "subscribed", "unsubscribed", "error"]
    orderId: NotRequired[str]
    after: NotRequired[int]
    sequence: NotRequired[int]
    code: NotRequired[str]
    message: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which order, from behind which sequence."""

    order_id: str
    after: int


def handshake(query: Mapping[str, str], connection_id: str, desk: Desk) -> int:
    """Follows the order that the URL names; gives the status that the handshake is answered with."""
    try:
        wanted = _subscription(query.get("orderId"), query.get("after", "0"))
        subscribe(wanted.order_id, connection_id, wanted.after, desk=desk)
    except StreamError as error:
        return error.status
    except OrderNotFound:
        return 404
    except Unavailable as error:
        desk.telemetry.warn("handshake_failed", connection_id=connection_id, reason=str(error))
        return 503
    return 200


def converse(text: str, connection_id: str, desk: Desk) -> Reply:
    """The reply to one message; nonsense gets an error, never a dropped connection."""
    try:
        return _act(_parse(text), connection_id, desk)
    except StreamError as error:
        return _error(error.code, str(error))
    except TooManySubscriptions as error:
        return _error("too_many_subscriptions", str(error))
    except OrderNotFound as error:
        return {**_error("order_not_found", str(error)), "orderId": error.order_id}
    except Unavailable as error:
        desk.telemetry.warn("message_failed", connection_id=connection_id, reason=str(error))
        return _error("service_unavailable", "Please try again in a moment.")


def _act(message: Mapping[str, object], connection_id: str, desk: Desk) -> Reply:
    match message.get("action"):
        case "ping":
            return {"type": "pong"}
        case "subscribe":
            wanted = _subscription(message.get("orderId"), message.get("after", 0))
            history = subscribe_too(wanted.order_id, connection_id, wanted.after, desk=desk)
            return {
                "type": "subscribed",
                "orderId": wanted.order_id,
                "after": wanted.after,
                "sequence": history.order.sequence,
            }
        case "unsubscribe":
            wanted = _subscription(message.get("orderId"), 0)
            desk.followers.remove(wanted.order_id, connection_id)
            return {"type": "unsubscribed", "orderId": wanted.order_id}
    raise StreamError("unknown_action", f"The message needs an action: {ACTIONS}.")


def _parse(text: str) -> Mapping[str, object]:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_MESSAGE_BYTES:
        raise StreamError("message_too_large", f"A message takes at most {MAX_MESSAGE_BYTES} bytes.")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise StreamError("malformed_json", "The message is no valid JSON.") from None
    if not isinstance(message, dict):
        raise StreamError("malformed_json", "The message must be a JSON object.")
    return message


def _subscription(order_id: object, after: object) -> Subscription:
    if not isinstance(order_id, str) or not order_id:
        raise StreamError("missing_order_id", "orderId is missing: name the order to follow.")
    if len(order_id) > 64 or not order_id.isascii() or not order_id.isprintable():
        raise OrderNotFound(order_id[:64].encode("ascii", "replace").decode())
    digits = str(after)
    if isinstance(after, bool) or not (digits.isascii() and digits.isdigit()) or len(digits) > 7:
        raise StreamError("invalid_after", f"after takes a whole number from 0 to {MAX_AFTER}.")
    return Subscription(order_id, int(digits))


def _error(code: str, message: str) -> Reply:
    return {"type": "error", "code": code, "message": message}
