"""What clients send over the stream: messages, and in them or in the URL the topic, an order or a user, to follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib import strict_json
from chalicelib.domain.text import MAX_TEXT, is_name
from chalicelib.http.moments import read_moment
from chalicelib.http.stream_messages import MAX_AFTER, MAX_MESSAGE_BYTES, StreamCode

PARAMETERS = ("orderId", "after", "userId", "since", "ticket")


class StreamError(Exception):
    """A message or a handshake that cannot be understood; `code` is for programs."""

    def __init__(self, code: StreamCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class OrderTopic:
    """Which order, from behind which sequence, by which ticket."""

    order_id: str
    after: int
    ticket: str | None


@dataclass(frozen=True, slots=True)
class UserTopic:
    """All orders of whom, from when on, by which ticket."""

    user_id: str
    since: datetime | None
    ticket: str | None


def single_value(name: str, values: Sequence[str]) -> str:
    """The parameter's one value. Raises `StreamError`."""
    if len(values) != 1:
        raise StreamError(StreamCode.REPEATED_PARAMETER, f"{name} stands {len(values)} times: send it once.")
    return values[0]


def read_message(text: str) -> Mapping[str, object]:
    """The message as a JSON object. Raises `StreamError`."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_MESSAGE_BYTES:
        raise StreamError(StreamCode.MESSAGE_TOO_LARGE, f"A message takes at most {MAX_MESSAGE_BYTES} bytes.")
    try:
        message = strict_json.read(text)
    except RecursionError:
        raise StreamError(StreamCode.MALFORMED_JSON, "The message is nested too deeply.") from None
    except ValueError as error:
        raise StreamError(StreamCode.MALFORMED_JSON, f"The message is no valid JSON: {error}.") from None
    if not isinstance(message, dict):
        raise StreamError(StreamCode.MALFORMED_JSON, "The message must be a JSON object.")
    return message


def read_topic(given: Mapping[str, object]) -> OrderTopic | UserTopic:
    """What a message or a query names. Raises `StreamError`."""
    # What is no text is no ticket: a number where a ticket is asked for is refused as one that does not hold.
    ticket = given.get("ticket")
    shown = ticket if isinstance(ticket, str) else None
    if "userId" not in given:
        if "since" in given:
            raise StreamError(StreamCode.ORDER_OR_USER, "since goes with userId: with an order, send after.")
        return _read_order_topic(given.get("orderId"), given.get("after", "0"), shown)
    if "orderId" in given or "after" in given:
        raise StreamError(
            StreamCode.ORDER_OR_USER, "Name an order, with after, or a user, with since: not both at once."
        )
    user_id = given["userId"]
    if not isinstance(user_id, str) or not is_name(user_id):
        raise StreamError(StreamCode.INVALID_USER_ID, f"userId must be text of 1 to {MAX_TEXT} characters.")
    try:
        since = read_moment(given["since"]) if "since" in given else None
    except ValueError as error:
        raise StreamError(StreamCode.INVALID_SINCE, f"since {error}.") from None
    return UserTopic(user_id, since, shown)


def _read_order_topic(order_id: object, after: object, ticket: str | None) -> OrderTopic:
    if not isinstance(order_id, str) or not order_id:
        wrong = "is missing" if order_id in (None, "") else "must be a string"
        raise StreamError(
            StreamCode.ORDER_ID_MISSING, f"orderId {wrong}: name the order to follow, or in userId whose orders."
        )
    digits = str(strict_json.whole(after))
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= len(str(MAX_AFTER))
    if not is_number or int(digits) > MAX_AFTER:
        raise StreamError(StreamCode.INVALID_AFTER, f"after takes a whole number from 0 to {MAX_AFTER}.")
    return OrderTopic(order_id, int(digits), ticket)
