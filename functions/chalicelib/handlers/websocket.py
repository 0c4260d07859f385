"""The WebSocket functions: what clients send on connecting, afterwards and on leaving, and the replies."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chalice.app import WebsocketEvent

from chalicelib import bootstrap, correlation
from chalicelib.domain.errors import OrderNotFound, TicketOfAnotherOrder, TicketRefused, Unavailable
from chalicelib.domain.order import is_order_id
from chalicelib.http.access import STREAM
from chalicelib.http.admission import order_id_shown
from chalicelib.http.cors import EVERY_ORIGIN
from chalicelib.http.stream_messages import Reply, StreamCode, StreamErrorView
from chalicelib.http.stream_requests import (
    PARAMETERS,
    OrderTopic,
    StreamError,
    UserTopic,
    read_message,
    read_topic,
    single_value,
)
from chalicelib.ports.followers import TooManySubscriptions
from chalicelib.services.subscriptions import (
    SubscriptionPorts,
    TooManyFollowers,
    add_subscription,
    add_user_subscription,
    forget_connection,
    subscribe,
    subscribe_to_user,
    unsubscribe,
    unsubscribe_from_user,
)
from chalicelib.services.views import timestamp

ACTIONS = "subscribe, unsubscribe, ping"


def connect(event: WebsocketEvent) -> dict[str, object]:
    """Follows the order, or all orders of the user, that the URL names; Lambda's answer is that of the handshake.

    Frames are the same whatever subprotocols a client offers. The first is agreed to: browsers give up where none is.
    """
    _correlate(event)
    request = event.to_dict()
    headers = request.get("headers") or {}
    if is_foreign(_header(headers, "origin"), bootstrap.allowed_origins(), _pages_origin(request)):
        bootstrap.telemetry().warn("handshake_refused", connection_id=event.connection_id, status=403, reason="origin")
        return {"statusCode": 403}
    status = handshake_status(_query(request), event.connection_id, bootstrap.subscriptions())
    offered = _header(headers, "sec-websocket-protocol").split(",")[0].strip()
    return {"statusCode": status, **({"headers": {"Sec-WebSocket-Protocol": offered}} if offered else {})}


def is_foreign(origin: str, allowed: Collection[str], own: str) -> bool:
    """Whether a page of another origin opens the connection: browsers say so, and CORS does not guard streams."""
    return bool(origin) and bool(allowed) and EVERY_ORIGIN not in allowed and origin not in {*allowed, own}


def _pages_origin(request: Mapping[str, Any]) -> str:
    """The origin of our own pages, as the WebSocket API's stage names it."""
    variables: Mapping[str, str] = request.get("stageVariables") or {}
    return variables.get("PagesOrigin", "")


def _query(request: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """Every value of every parameter: of one that stands twice, gateways show one the first and others the last."""
    single = {name: [value] for name, value in (request.get("queryStringParameters") or {}).items()}
    return {**single, **(request.get("multiValueQueryStringParameters") or {})}


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for given, value in headers.items() if given.lower() == name), "")


def message(event: WebsocketEvent) -> dict[str, object]:
    """Answers a client's message; the route response carries the reply."""
    _correlate(event)
    reply = reply_to(event.body, event.connection_id, bootstrap.subscriptions())
    return {"statusCode": 200, "body": json.dumps(reply)}


def disconnect(event: WebsocketEvent) -> None:
    """Forgets the connection."""
    _correlate(event)
    forget_connection(event.connection_id, followers=bootstrap.followers(), telemetry=bootstrap.telemetry())


def _correlate(event: WebsocketEvent) -> None:
    context = event.to_dict()["requestContext"]
    correlation.bind(request_id=str(context.get("requestId", "")), connection_id=event.connection_id)


def handshake_status(query: Mapping[str, Sequence[str]], connection_id: str, ports: SubscriptionPorts) -> int:
    """Follows what the URL names and returns the status that the handshake is answered with."""
    try:
        match read_topic({name: single_value(name, query[name]) for name in PARAMETERS if name in query}):
            case OrderTopic(order_id, after, ticket):
                subscribe(order_id, connection_id, after, ticket=ticket, ports=ports)
            case UserTopic(user_id, since, ticket):
                subscribe_to_user(user_id, connection_id, since, ticket=ticket, ports=ports)
    except StreamError as error:
        return _refused(400, error, connection_id, ports)
    except TicketRefused as error:
        _count_refused_ticket(ports)
        return _refused(401, error, connection_id, ports)
    except TooManyFollowers as error:
        return _refused(429, error, connection_id, ports)
    except OrderNotFound as error:
        return _refused(404, error, connection_id, ports)
    except Unavailable as error:
        return _refused(503, error, connection_id, ports)
    return 200


def _count_refused_ticket(ports: SubscriptionPorts) -> None:
    ports.telemetry.add_metric("AuthFailures", reason="ticket")


def _refused(status: int, error: Exception, connection_id: str, ports: SubscriptionPorts) -> int:
    ports.telemetry.warn("handshake_refused", connection_id=connection_id, status=status, reason=str(error))
    return status


def reply_to(text: str, connection_id: str, ports: SubscriptionPorts) -> Reply:
    """The reply to one message; nonsense gets an error, never a dropped connection."""
    try:
        return _dispatch(read_message(text), connection_id, ports)
    except StreamError as error:
        return _error(error.code, str(error))
    except TooManySubscriptions as error:
        return _error(StreamCode.TOO_MANY_SUBSCRIPTIONS, str(error))
    except TooManyFollowers as error:
        return _error(StreamCode.TOO_MANY_FOLLOWERS, str(error))
    except TicketOfAnotherOrder as error:
        return _error(StreamCode.ORDER_NOT_FOUND, str(error))
    except TicketRefused as error:
        _count_refused_ticket(ports)
        return _error(StreamCode.UNAUTHENTICATED, str(error))
    except OrderNotFound as error:
        return {**_error(StreamCode.ORDER_NOT_FOUND, str(error)), "orderId": error.order_id}
    except Unavailable as error:
        ports.telemetry.warn("message_failed", connection_id=connection_id, reason=str(error))
        return _error(StreamCode.SERVICE_UNAVAILABLE, "Please try again in a moment; nothing was changed.")
    except Exception as error:  # noqa: BLE001 - a defect must not show its insides, which the gateway would send on
        ports.telemetry.exception("message_failed", error, connection_id=connection_id)
        reply = _error(StreamCode.INTERNAL_ERROR, "Something broke on our side; please report the requestId.")
        return {**reply, "requestId": str(correlation.current().get("request_id", ""))}


def _dispatch(message: Mapping[str, object], connection_id: str, ports: SubscriptionPorts) -> Reply:
    action = message.get("action")
    # What the table of access does not name is no action, whatever stands below.
    match action if action in tuple(STREAM) else None:
        case "ping":
            return {"type": "pong", "at": timestamp(ports.clock.now())}
        case "subscribe":
            return _subscribe(read_topic(message), connection_id, ports)
        case "unsubscribe":
            given = {name: message[name] for name in ("orderId", "userId") if name in message}
            return _unsubscribe(read_topic(given), connection_id, ports)
    raise StreamError(StreamCode.UNKNOWN_ACTION, f"The message needs an action: {ACTIONS}.")


def _subscribe(topic: OrderTopic | UserTopic, connection_id: str, ports: SubscriptionPorts) -> Reply:
    if isinstance(topic, UserTopic):
        add_user_subscription(topic.user_id, connection_id, topic.since, ticket=topic.ticket, ports=ports)
        since = timestamp(topic.since) if topic.since else None
        return {"type": "subscribed", "userId": topic.user_id, "since": since}
    history = add_subscription(topic.order_id, connection_id, topic.after, ticket=topic.ticket, ports=ports)
    return {
        "type": "subscribed",
        "orderId": topic.order_id,
        "after": topic.after,
        "sequence": history.order.sequence,
    }


def _unsubscribe(topic: OrderTopic | UserTopic, connection_id: str, ports: SubscriptionPorts) -> Reply:
    if isinstance(topic, UserTopic):
        unsubscribe_from_user(topic.user_id, connection_id, followers=ports.followers)
        return {"type": "unsubscribed", "userId": topic.user_id}
    if not is_order_id(topic.order_id):
        raise OrderNotFound(order_id_shown(topic.order_id))
    unsubscribe(topic.order_id, connection_id, followers=ports.followers)
    return {"type": "unsubscribed", "orderId": topic.order_id}


def _error(code: StreamCode, message: str) -> StreamErrorView:
    return {"type": "error", "code": code, "message": message}
