"""The AsyncAPI 3 document of the stream, generated from the types of its frames."""

from functools import cache

from chalicelib import VERSION
from chalicelib.http.stream_messages import (
    MAX_AFTER,
    MAX_MESSAGE_BYTES,
    Heartbeat,
    Ping,
    Pong,
    StreamErrorView,
    Subscribe,
    Subscribed,
    SubscribedToUser,
    SubscribeToUser,
    Unsubscribe,
    Unsubscribed,
    UnsubscribedFromUser,
    UnsubscribeFromUser,
)
from chalicelib.services.views import OpenOrderView, SnapshotMessage, StatusMessage
from docs.api.examples import example_of
from docs.api.openapi import component_name, reference, schemas_of, summary_of
from docs.api.operations import Schema

FROM_CLIENTS = (Subscribe, Unsubscribe, SubscribeToUser, UnsubscribeFromUser, Ping)
FROM_SERVER = (
    StatusMessage,
    SnapshotMessage,
    Heartbeat,
    Pong,
    Subscribed,
    Unsubscribed,
    SubscribedToUser,
    UnsubscribedFromUser,
    StreamErrorView,
)
REPLIES: dict[type, tuple[type, ...]] = {
    Subscribe: (Subscribed, StreamErrorView),
    Unsubscribe: (Unsubscribed, StreamErrorView),
    SubscribeToUser: (SubscribedToUser, StreamErrorView),
    UnsubscribeFromUser: (UnsubscribedFromUser, StreamErrorView),
    Ping: (Pong, StreamErrorView),
}
ORDER_ID = "ord_019aad1c8f005f2b7c9d1e3a4b6c8d0f"
AT = "2026-11-22T18:00:00.000Z"
_SCHEMAS = schemas_of((OpenOrderView,))
_UNKNOWN_YET = {
    name: None
    for name in OpenOrderView.__annotations__
    if name.startswith(
        ("chosen", "fee", "tx", "firedAt", "launch", "expected", "executed", "error", "minimum", "maximum")
    )
}
OPEN_ORDER: Schema = {
    **example_of(_SCHEMAS[component_name(OpenOrderView)], _SCHEMAS),
    **_UNKNOWN_YET,
    "orderType": "limit",
    "limitPrice": "170",
    "timeInForce": "gtc",
    "status": "waiting",
    "sequence": 1,
    "fires": 0,
}
EXAMPLES: dict[type, Schema] = {
    Subscribe: {"action": "subscribe", "orderId": ORDER_ID, "after": 0},
    Unsubscribe: {"action": "unsubscribe", "orderId": ORDER_ID},
    SubscribeToUser: {"action": "subscribe", "userId": "user-1", "since": AT},
    UnsubscribeFromUser: {"action": "unsubscribe", "userId": "user-1"},
    Ping: {"action": "ping"},
    Pong: {"type": "pong", "at": AT},
    Subscribed: {"type": "subscribed", "orderId": ORDER_ID, "after": 0, "sequence": 3},
    Unsubscribed: {"type": "unsubscribed", "orderId": ORDER_ID},
    SubscribedToUser: {"type": "subscribed", "userId": "user-1", "since": AT},
    UnsubscribedFromUser: {"type": "unsubscribed", "userId": "user-1"},
    SnapshotMessage: {
        "type": "snapshot",
        "userId": "user-1",
        "at": AT,
        "since": "2026-11-22T17:59:00.000Z",
        "open": [OPEN_ORDER],
        "more": False,
    },
    StreamErrorView: {"type": "error", "code": "order_not_found", "message": f"There is no order {ORDER_ID}."},
    Heartbeat: {"type": "heartbeat", "at": AT},
    StatusMessage: {
        "type": "status",
        "orderId": ORDER_ID,
        "sequence": 4,
        "status": "submitted",
        "attempt": 1,
        "at": AT,
        "message": "Transaction submitted, waiting for its confirmation.",
        "meta": {"txHash": "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnb", "attempt": 1},
        "txHash": "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnb",
    },
}
DESCRIPTION = """\
Connect with `?orderId=` and get the order's whole history, then what happens next: in order and without gaps, whenever
you connect. `&after=N` resumes behind sequence N. One connection follows up to 100 orders, and up to 20 connections
one order.

Connect with `?userId=` and follow all orders of a user, those too that he places later: first a `snapshot` of those
that are open, then every status of each, behind the sequence that the snapshot shows, or from 1 on where it does not
show the order. Whoever comes back sends in `&since=` the newest `at` of his statuses, and where he has none what he
sent before, or the `at` of his first snapshot: what happened since is told behind the snapshot, oldest first, and a
minute of what was before, since statuses of different orders overtake each other. Ignore what you have,
by order and sequence. An order that you know to be open and that is neither in a snapshot that has all (`more` is
false) nor told of has ended: ask for it.

Where the service asks for access tokens, the address needs `&ticket=`, too: `websocketUrl` has one that is good for
five minutes, and POST /api/stream-tickets makes others, for one order or for any of yours; `userId` needs one of these,
of that user. Each `subscribe` brings its
own. When the access token ends that a ticket was made with, nothing more is sent for it; a connection that has no other
is told `session_over` and closed.

A message may come twice, with the same sequence, where something broke on our side while it was sent: ignore what you
have. A heartbeat comes about every 20 seconds. After a minute in which nothing came, connect again with `after` or
`since`.
"""
HANDSHAKE = {
    "400": "orderId and userId are missing or both there, after is no whole number, since no time, or one of them "
    "stands twice.",
    "401": "the ticket is missing, or does not hold for this order or user any more.",
    "403": "a page of another origin opens it.",
    "404": "There is no such order, or it is another user's.",
    "429": "as many connections follow the order or the user as may.",
    "503": "A dependency cannot be reached: try again in a second.",
}


@cache
def asyncapi() -> Schema:
    """The document."""
    kinds = (*FROM_CLIENTS, *FROM_SERVER)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Order execution engine: the stream", "version": VERSION, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            "stream": {
                "host": "localhost:3000",
                "protocol": "ws",
                "description": "The front door. `websocketUrl` in the answer to a placed order is right everywhere: "
                "on AWS it is the WebSocket API's own address, with the same query.",
            },
        },
        "channels": {"stream": _channel(kinds)},
        "operations": _operations(),
        "components": {
            "messages": {component_name(kind): _message(kind) for kind in kinds},
            "schemas": schemas_of(kinds),
        },
    }


def _channel(kinds: tuple[type, ...]) -> Schema:
    query = {
        "type": "object",
        "oneOf": [{"required": ["orderId"]}, {"required": ["userId"]}],
        "properties": {
            "orderId": {"type": "string", "description": "The order to follow."},
            "after": {
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_AFTER,
                "default": 0,
                "description": "The last sequence that you have.",
            },
            "userId": {"type": "string", "description": "The user whose orders to follow, all of them."},
            "since": {
                "type": "string",
                "format": "date-time",
                "description": "With userId: the newest `at` of the statuses that you have.",
            },
            "ticket": {"type": "string", "description": "A stream ticket; without access tokens, none is needed."},
        },
    }
    refusals = "; ".join(f"{status}: {text}" for status, text in HANDSHAKE.items())
    return {
        "address": "/api/orders/execute",
        "title": "The stream of orders",
        "description": f"One JSON object a message, up to {MAX_MESSAGE_BYTES} bytes from clients. "
        f"A refused handshake is answered with a status: {refusals}",
        "messages": {component_name(kind): _message_reference(kind) for kind in kinds},
        "bindings": {"ws": {"method": "GET", "query": query, "bindingVersion": "0.1.0"}},
    }


def _operations() -> Schema:
    """As the service sees them: it receives what clients send."""
    operations: Schema = {}
    for kind in FROM_CLIENTS:
        operations[component_name(kind).lower()] = {
            "action": "receive",
            "channel": {"$ref": "#/channels/stream"},
            "summary": summary_of(kind),
            "messages": [_in_channel(kind)],
            "reply": {
                "channel": {"$ref": "#/channels/stream"},
                "messages": [_in_channel(reply) for reply in REPLIES[kind]],
            },
        }
    for name, sent in (("status", StatusMessage), ("snapshot", SnapshotMessage), ("heartbeat", Heartbeat)):
        operations[name] = {
            "action": "send",
            "channel": {"$ref": "#/channels/stream"},
            "summary": summary_of(sent),
            "messages": [_in_channel(sent)],
        }
    return operations


def _message(kind: type) -> Schema:
    return {
        "name": component_name(kind),
        "summary": summary_of(kind),
        "contentType": "application/json",
        "payload": reference(kind),
        "examples": [{"payload": EXAMPLES[kind]}],
    }


def _message_reference(kind: type) -> Schema:
    return {"$ref": f"#/components/messages/{component_name(kind)}"}


def _in_channel(kind: type) -> Schema:
    return {"$ref": f"#/channels/stream/messages/{component_name(kind)}"}
