"""A client's WebSocket joined to the WebSocket API's, message by message."""

import asyncio
import re
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import TypeAlias

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web
from multidict import CIMultiDict
from yarl import URL

from localstack.gateway.concurrency_limiter import ConcurrencyLimiter
from localstack.gateway.forwarding import Upstream, answer_headers, forwarded_headers, path_and_query
from localstack.gateway.problems import problem

# Where streams are opened; the WebSocket API behind the door has one address and no paths.
STREAM_PATH = "/api/orders/execute"
MAX_MESSAGE_BYTES = 128 * 1024
_HANDSHAKE_SECONDS = 30.0
_AFTER = re.compile(r"\d{1,6}|1000000")
# What the emulator would take for more than one part of a path, encoded or not, can be the id of no order.
_OF_ONE_PART = re.compile(r"[A-Za-z0-9_-]+")
_PARAMETERS = ("orderId", "after", "userId", "since", "ticket")
_CLOSE_SECONDS = 1.0
# Of one order or user; the service's own number.
_MAX_FOLLOWERS = 20
_MAX_ID_SHOWN = 64
_STALLED_SECONDS = 60.0
# Of the handshake itself; the client library makes its own.
_HANDSHAKE_HEADERS = (
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Protocol",
)
# Codes that only describe a connection and must not be sent (RFC 6455, 7.4.1).
_UNSENDABLE = frozenset({1004, 1005, 1006, 1015})
_REASON_BYTES = 123

_Socket: TypeAlias = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


def _close_code(received: int | None, when_lost: int) -> int:
    """The code to pass on: the one received, or what a lost connection means to the other side."""
    if received is None or received == WSCloseCode.ABNORMAL_CLOSURE:
        return when_lost
    if received in _UNSENDABLE or not 1000 <= received < 5000:
        return WSCloseCode.OK
    return received


def _reason(text: str | None) -> bytes:
    """The reason within the protocol's limit, never cut inside a character."""
    return (text or "").encode()[:_REASON_BYTES].decode(errors="ignore").encode()


async def _close(socket: _Socket, code: int, reason: bytes = b"") -> bool:
    """Closes it; False where the other side reads nothing, for which aiohttp would wait without end."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS + 0.5):
            await socket.close(code=code, message=reason)
    except TimeoutError:
        return False
    return True


async def close_client(client: web.WebSocketResponse, request: web.BaseRequest, code: int) -> None:
    """Closes a client's WebSocket; one that reads nothing is cut off."""
    if not await _close(client, code) and request.transport is not None:
        request.transport.abort()


async def _pump(source: _Socket, sink: _Socket, when_lost: int) -> None:
    """Copies messages until the source closes, then closes the sink the same way.

    Each send waits for the sink's buffer: a slow reader slows its sender down instead of filling memory. Raises
    TimeoutError where one reads nothing for a minute.
    """
    reason: str | None = None
    while True:
        message = await source.receive()
        async with asyncio.timeout(_STALLED_SECONDS):
            if message.type is WSMsgType.TEXT:
                await sink.send_str(message.data)
                continue
            if message.type is WSMsgType.BINARY:
                await sink.send_bytes(message.data)
                continue
        if message.type is WSMsgType.CLOSE:
            reason = message.extra
        break
    await _close(sink, _close_code(source.close_code, when_lost), _reason(reason))


async def _join(client: web.WebSocketResponse, upstream: aiohttp.ClientWebSocketResponse) -> None:
    """Relays both ways until one side closes, then gives the other a moment to answer."""
    pumps = {
        asyncio.create_task(_pump(client, upstream, WSCloseCode.GOING_AWAY)),
        asyncio.create_task(_pump(upstream, client, WSCloseCode.SERVICE_RESTART)),
    }
    try:
        _, pending = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        if pending:
            await asyncio.wait(pending, timeout=_CLOSE_SECONDS)
    finally:
        for pump in pumps:
            pump.cancel()
        results = await asyncio.gather(*pumps, return_exceptions=True)
    for result in results:
        # A send to a side that has just gone, or reads nothing, is how a connection may end; all else is a defect.
        if isinstance(result, Exception) and not isinstance(
            result, (ConnectionError, TimeoutError, aiohttp.ClientError)
        ):
            raise result


def _known_status(status: int) -> HTTPStatus:
    try:
        return HTTPStatus(status)
    except ValueError:
        return HTTPStatus.BAD_GATEWAY


def _headers_without_token(request: web.BaseRequest, to: Upstream) -> CIMultiDict[str]:
    """Without the client's token: the stream takes none, and with it the answer would be to another question."""
    headers = forwarded_headers(request, to)
    headers.popall("Authorization", None)
    return headers


def is_handshake(request: web.BaseRequest) -> bool:
    """Whether the request asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _refuse_misplaced(request: web.BaseRequest) -> web.Response | None:
    """Why no stream can be opened by this method at this path; None where one can."""
    if path_and_query(request).partition("?")[0] != STREAM_PATH:
        return problem(
            HTTPStatus.NOT_FOUND,
            "not_found",
            f"No WebSocket can be opened at this path: streams are at {STREAM_PATH}?orderId=ID, or ?userId=USER.",
            closes=True,
        )
    if request.method != "GET":
        return problem(
            HTTPStatus.BAD_REQUEST,
            "not_a_websocket",
            "A WebSocket is opened by GET (RFC 6455, 4.1): to place an order, leave Upgrade out.",
            closes=True,
        )
    return None


async def _explain(
    request: web.BaseRequest, to: Upstream, session: aiohttp.ClientSession, status: int
) -> web.StreamResponse:
    """Why a handshake was refused: the emulator says 403 whatever the `$connect` function answered."""
    order_id, of_user = request.query.get("orderId", ""), "userId" in request.query
    if not order_id and not of_user:
        return problem(
            HTTPStatus.BAD_REQUEST,
            "order_id_missing",
            "The query must name the order to follow, ?orderId=ID, or whose orders: ?userId=USER",
        )
    twice = [name for name in _PARAMETERS if len(request.query.getall(name, ())) > 1]
    if twice:
        return problem(HTTPStatus.BAD_REQUEST, "repeated_parameter", f"{twice[0]} stands in the query twice.")
    if any(name in request.query for name in (("orderId", "after") if of_user else ("since",))):
        return problem(
            HTTPStatus.BAD_REQUEST,
            "order_or_user",
            "The query names an order, with after, or a user, with since: not both at once.",
        )
    if of_user:
        return await _explain_user(request, to, session, status)
    asked = order_id if _OF_ONE_PART.fullmatch(order_id) else "-"
    async with session.get(f"{to.rest_url}/api/orders/{asked}", headers=_headers_without_token(request, to)) as answer:
        if answer.status == HTTPStatus.NOT_FOUND and asked != order_id:
            shown = order_id[:_MAX_ID_SHOWN].encode("ascii", "replace").decode()
            return problem(HTTPStatus.NOT_FOUND, "order_not_found", f"There is no order {shown}.")
        if answer.status == HTTPStatus.NOT_FOUND or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            headers = answer_headers(answer.status, answer.headers)
            return web.Response(status=answer.status, headers=headers, body=await answer.read())
        asks_for_tokens = answer.status == HTTPStatus.UNAUTHORIZED
    if asks_for_tokens and "ticket" not in request.query:
        return problem(
            HTTPStatus.UNAUTHORIZED,
            "unauthenticated",
            "The query needs a ticket: websocketUrl of a placed order has one, POST /api/stream-tickets makes others.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if not _AFTER.fullmatch(request.query.get("after", "0")):
        return problem(
            HTTPStatus.BAD_REQUEST,
            "invalid_after",
            "after takes a whole number from 0 to 1000000: the last sequence you have.",
        )
    return problem(
        _known_status(status),
        "connection_refused",
        "The WebSocket API refused this connection: "
        + (
            "its ticket is not for this order, is older than five minutes, or is no stream ticket, "
            if asks_for_tokens
            else "check the query (?orderId=ID, optionally &after=N), "
        )
        + f"or {_MAX_FOLLOWERS} connections follow the order already.",
    )


async def _explain_user(
    request: web.BaseRequest, to: Upstream, session: aiohttp.ClientSession, status: int
) -> web.StreamResponse:
    """The list of orders has the same fields, and says what is wrong with them."""
    query = {"userId": request.query["userId"], "limit": "1"}
    if "since" in request.query:
        query["placedFrom"] = request.query["since"]
    async with session.get(
        URL(f"{to.rest_url}/api/orders").with_query(query), headers=_headers_without_token(request, to)
    ) as answer:
        said = await answer.json(content_type=None)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return problem(_known_status(answer.status), said.get("code", "service_unavailable"), "Please try again.")
        if answer.status == HTTPStatus.UNAUTHORIZED:
            return problem(
                HTTPStatus.UNAUTHORIZED,
                "unauthenticated",
                "The query needs a ticket for all of this user's orders: POST /api/stream-tickets makes one.",
                headers={"WWW-Authenticate": "Bearer"},
            )
    for field in said.get("errors", ()):
        name, code = ("userId", "invalid_user_id") if field["field"] == "userId" else ("since", "invalid_since")
        return problem(HTTPStatus.BAD_REQUEST, code, f"{name} {field['message']}.")
    return problem(
        _known_status(status),
        "connection_refused",
        f"The WebSocket API refused this connection: {_MAX_FOLLOWERS} connections follow this user already.",
    )


async def relay(
    request: web.BaseRequest,
    to: Upstream,
    session: aiohttp.ClientSession,
    handshakes: ConcurrencyLimiter,
    opened: MutableMapping[web.WebSocketResponse, web.BaseRequest],
) -> web.StreamResponse:
    """Opens the upstream connection first, so that a refusal is still an HTTP answer, then joins both.

    The client's socket stands in `opened` while it is open.
    """
    misplaced = _refuse_misplaced(request)
    if misplaced is not None:
        return misplaced
    offered = [
        name.strip() for value in request.headers.getall("Sec-WebSocket-Protocol", ()) for name in value.split(",")
    ]
    headers = forwarded_headers(request, to)
    for name in _HANDSHAKE_HEADERS:
        headers.popall(name, None)
    if not web.WebSocketResponse().can_prepare(request):
        return problem(HTTPStatus.BAD_REQUEST, "not_a_websocket", "This is no complete WebSocket handshake (RFC 6455).")
    target = URL(f"{to.websocket_url}?{path_and_query(request).partition('?')[2]}", encoded=True)
    try:
        async with asyncio.timeout(_HANDSHAKE_SECONDS), handshakes.slot():
            upstream = await session.ws_connect(
                target,
                headers=headers,
                protocols=offered,
                max_msg_size=MAX_MESSAGE_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
            )
    except aiohttp.WSServerHandshakeError as refusal:
        return await _explain(request, to, session, refusal.status)
    client = web.WebSocketResponse(
        # The emulator drops the service's choice; a client that offered some and hears of none must give up (RFC 6455).
        protocols=[upstream.protocol] if upstream.protocol else offered[:1],
        timeout=_CLOSE_SECONDS,
        max_msg_size=MAX_MESSAGE_BYTES,
        compress=False,
    )
    try:
        await client.prepare(request)
        opened[client] = request
        await _join(client, upstream)
    finally:
        opened.pop(client, None)
        await _close(upstream, WSCloseCode.GOING_AWAY)
        # It has had time to read its close frame: what is still not sent never will be.
        if request.transport is not None and request.transport.get_write_buffer_size():
            request.transport.abort()
    return client
