"""The frames of the stream, both ways, and its error codes. The AsyncAPI document is generated from these."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal, NotRequired, TypeAlias

from typing_extensions import TypedDict

from chalicelib.services.wire import Moment, OrderId, SchemaInfo, Sentence

MAX_MESSAGE_BYTES = 32 * 1024
MAX_AFTER = 1_000_000


class StreamCode(StrEnum):
    """Stable codes of the stream's errors, for programs."""

    MALFORMED_JSON = "malformed_json"
    MESSAGE_TOO_LARGE = "message_too_large"
    UNKNOWN_ACTION = "unknown_action"
    ORDER_ID_MISSING = "order_id_missing"
    INVALID_AFTER = "invalid_after"
    INVALID_USER_ID = "invalid_user_id"
    INVALID_SINCE = "invalid_since"
    ORDER_OR_USER = "order_or_user"
    ORDER_NOT_FOUND = "order_not_found"
    UNAUTHENTICATED = "unauthenticated"
    REPEATED_PARAMETER = "repeated_parameter"
    TOO_MANY_FOLLOWERS = "too_many_followers"
    SESSION_OVER = "session_over"
    TOO_MANY_SUBSCRIPTIONS = "too_many_subscriptions"
    SERVICE_UNAVAILABLE = "service_unavailable"
    INTERNAL_ERROR = "internal_error"


# What a client should do about each.
STREAM_ERRORS: Mapping[StreamCode, str] = MappingProxyType(
    {
        StreamCode.MALFORMED_JSON: "Send one JSON object a message, in which no key stands twice.",
        StreamCode.MESSAGE_TOO_LARGE: f"A message takes at most {MAX_MESSAGE_BYTES // 1024} KiB.",
        StreamCode.UNKNOWN_ACTION: "`action` takes subscribe, unsubscribe and ping.",
        StreamCode.ORDER_ID_MISSING: "Name the order in `orderId`, or in `userId` the user whose orders to follow.",
        StreamCode.INVALID_AFTER: f"`after` takes a whole number from 0 to {MAX_AFTER}: the last sequence you have.",
        StreamCode.INVALID_USER_ID: "`userId` takes 1 to 128 characters, as with an order.",
        StreamCode.INVALID_SINCE: "`since` takes a time with its zone (RFC 3339): the newest `at` of your statuses.",
        StreamCode.ORDER_OR_USER: "Name an order, with `after`, or a user, with `since`: not both at once.",
        StreamCode.ORDER_NOT_FOUND: "Check the order id. An order exists from the moment that its 202 is sent.",
        StreamCode.UNAUTHENTICATED: "Send a `ticket` for the order: `websocketUrl` has one, POST /api/stream-tickets "
        "makes another. With `userId`, one for all of that user's orders. It holds for five minutes.",
        StreamCode.REPEATED_PARAMETER: "Send each parameter of the address once.",
        StreamCode.TOO_MANY_FOLLOWERS: "At most 20 connections follow one order, and 20 all orders of one user: close "
        "one that you no longer need.",
        StreamCode.SESSION_OVER: "The access token behind the connection has expired, and the connection is closed: "
        "connect again with a new ticket.",
        StreamCode.TOO_MANY_SUBSCRIPTIONS: "Unsubscribe from orders that are over, or open another connection.",
        StreamCode.SERVICE_UNAVAILABLE: "Nothing was changed; send the message again in a second.",
        StreamCode.INTERNAL_ERROR: "Report the `requestId`; the connection stays open.",
    }
)

After: TypeAlias = Annotated[
    int, SchemaInfo("The last sequence that you have; what follows it is sent. 0: everything.")
]

UserName: TypeAlias = Annotated[str, SchemaInfo("Whose orders.", examples=("user-1",))]
Since: TypeAlias = Annotated[
    Moment,
    SchemaInfo("The newest `at` of your statuses: what happened since is sent first, and a minute of what was before."),
]


class Subscribe(TypedDict):
    """Follows one more order: its history behind `after`, then what happens next. Up to 100 a connection."""

    action: Literal["subscribe"]
    orderId: OrderId
    after: NotRequired[After]
    ticket: NotRequired[
        Annotated[str, SchemaInfo("A stream ticket for this order; left out where the service asks for no tokens.")]
    ]


class SubscribeToUser(TypedDict):
    """Follows all orders of a user, those too that he places from now on: a snapshot, then what happens.

    Counts as one of the 100 that a connection may follow.
    """

    action: Literal["subscribe"]
    userId: UserName
    since: NotRequired[Since]
    ticket: NotRequired[
        Annotated[
            str, SchemaInfo("A stream ticket for all of this user's orders; left out where the service asks for none.")
        ]
    ]


class UnsubscribeFromUser(TypedDict):
    """Follows all orders of a user no more; those that were named are still followed."""

    action: Literal["unsubscribe"]
    userId: UserName


class Unsubscribe(TypedDict):
    """Follows an order no more, by its name."""

    action: Literal["unsubscribe"]
    orderId: OrderId


class Ping(TypedDict):
    """Asks whether the connection is alive."""

    action: Literal["ping"]


class Pong(TypedDict):
    """The answer to a ping."""

    type: Literal["pong"]
    at: Moment


class Subscribed(TypedDict):
    """An order is followed; its statuses behind `after` are on their way, up to `sequence` as things stand.

    The first of them may come before this.
    """

    type: Literal["subscribed"]
    orderId: OrderId
    after: After
    sequence: Annotated[int, SchemaInfo("The order's newest sequence at this moment.")]


class SubscribedToUser(TypedDict):
    """All orders of a user are followed; the snapshot, which may come before this, and what happened since follow."""

    type: Literal["subscribed"]
    userId: UserName
    since: Annotated[Moment | None, SchemaInfo("As it was asked for.")]


class UnsubscribedFromUser(TypedDict):
    """All orders of a user are followed no more; a status that was on its way may still come."""

    type: Literal["unsubscribed"]
    userId: UserName


class Unsubscribed(TypedDict):
    """An order is followed no more; a status that was on its way may still come."""

    type: Literal["unsubscribed"]
    orderId: OrderId


class StreamErrorView(TypedDict):
    """A message could not be understood or done. The connection stays open, and what it follows stays followed."""

    type: Literal["error"]
    code: Annotated[
        str, SchemaInfo("Stable, for programs; docs/errors.md lists them.", one_of=tuple(map(str, StreamCode)))
    ]
    message: Sentence
    orderId: NotRequired[Annotated[str, SchemaInfo("The order that the message was about.")]]
    requestId: NotRequired[Annotated[str, SchemaInfo("Stands in every log line about the message (`internal_error`).")]]


class Heartbeat(TypedDict):
    """About every 20 seconds, and every 30 at the latest, on every connection that follows an order or a user.

    After a minute in which nothing came, connect again.
    """

    type: Literal["heartbeat"]
    at: Moment


Reply: TypeAlias = Pong | Subscribed | SubscribedToUser | Unsubscribed | UnsubscribedFromUser | StreamErrorView
