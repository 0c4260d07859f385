"""One address for REST and WebSocket: a reverse proxy in front of the two APIs of the deployed stack."""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Self

import aiohttp
from aiohttp import HttpVersion11, WSCloseCode, web
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from localstack.gateway import compression, websocket_relay
from localstack.gateway.admission import BodyTooLarge, BodyTooSlow, body_too_large, body_too_slow, read_body, refusal
from localstack.gateway.callers import Callers
from localstack.gateway.concurrency_limiter import ConcurrencyLimiter, TooManyWaiting
from localstack.gateway.connections import MAX_HEAD_BYTES, Connections, overloaded, unparsable
from localstack.gateway.forwarding import Upstream, answer_headers, forwarded_headers, path_and_query
from localstack.gateway.problems import PROBLEM, add_request_id, bad_gateway, problem, unavailable

_BUFFERED_BYTES = 64 * 1024
_CONNECT_SECONDS = 2.0
# API Gateway gives an integration 29 seconds; a little more shows its own answer.
_ANSWER_SECONDS = 35.0
# Below the emulator's 75: a pooled connection is never one that the other side is closing.
_IDLE_SECONDS = 60.0
# Twice: for an answer that is being made, then for its handler to hear that it is cancelled.
_SHUTDOWN_SECONDS = 0.5
AT_ONCE = 6
_PATIENCE_SECONDS = 20.0
_INTERVAL_SECONDS = 1.0


def _failure_response(error: Exception) -> web.Response:
    """What the client is told where nothing could be passed on."""
    if isinstance(error, BodyTooLarge):
        return body_too_large()
    if isinstance(error, BodyTooSlow):
        return body_too_slow()
    if isinstance(error, TooManyWaiting):
        return overloaded()
    if isinstance(error, HttpProcessingError):
        return unparsable(error)
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return unavailable("Nothing answers behind this address at the moment: try again in a few seconds.")
    if isinstance(error, TimeoutError):
        return problem(
            HTTPStatus.GATEWAY_TIMEOUT,
            "upstream_timeout",
            "The service did not answer in time. Look the order up before you send it again.",
            headers={"Retry-After": "1"},
        )
    return bad_gateway("The service broke off its answer. Look the order up before you send it again.")


class FrontDoor:
    """The proxy; an async context manager that listens while it is open.

    `upstream` may be replaced while it runs, after the stack was deployed anew. None answers 503. What the door answers
    by itself may be read by the pages that may ask.
    """

    def __init__(self, upstream: Upstream | None, callers: Callers | None = None) -> None:
        self.upstream = upstream
        self._callers = callers or Callers()
        self._runner: web.ServerRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._websockets: dict[web.WebSocketResponse, web.BaseRequest] = {}
        self._requests = ConcurrencyLimiter(AT_ONCE, _PATIENCE_SECONDS, _INTERVAL_SECONDS)
        self._handshakes = ConcurrencyLimiter(AT_ONCE, _PATIENCE_SECONDS, _INTERVAL_SECONDS)

    async def start(self, hosts: Iterable[str], port: int) -> int:
        """Listens on every host; 0 takes a free port. Returns the port. Raises OSError where it is taken."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_ANSWER_SECONDS),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        # The server's own low level: there is one route, so no router.
        self._runner = web.ServerRunner(Connections(self.handle), shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        for host in hosts:
            site = web.TCPSite(self._runner, host, port, reuse_address=True)
            await site.start()
            if port == 0:
                port = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Tells every WebSocket client that the service goes away, then closes everything."""
        await asyncio.gather(
            *(
                websocket_relay.close_client(client, request, WSCloseCode.GOING_AWAY)
                for client, request in list(self._websockets.items())
            ),
            return_exceptions=True,
        )
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Forwards one request, or keeps a WebSocket open."""
        answer = await self._handle(request)
        if answer.content_type == PROBLEM and isinstance(answer, web.Response):
            add_request_id(answer, request)
        origin = request.headers.get("Origin", "")
        named = "*" if "*" in self._callers.allowed else origin
        if named in self._callers.allowed and answer.content_type == PROBLEM:
            # The gateway's own answers can name the first of several only.
            answer.headers["Access-Control-Allow-Origin"] = named
        return answer

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        refused = refusal(request) or self._callers.refusal(request)
        if refused is not None:
            return refused
        upstream, session = self.upstream, self._session
        if upstream is None or session is None:
            return unavailable("The stack is being deployed: try again in a few seconds.")
        try:
            if websocket_relay.is_handshake(request):
                return await websocket_relay.relay(request, upstream, session, self._handshakes, self._websockets)
            # Only a whole request takes a slot, and only until its answer begins: a client that stalls holds none.
            body = await read_body(request)
            url = URL(upstream.rest_url + path_and_query(request), encoded=True)
            headers = forwarded_headers(request, upstream)
            async with self._requests.slot():
                answer = await session.request(request.method, url, headers=headers, data=body, allow_redirects=False)
            async with answer:
                return await _answer(request, answer)
        except (
            BodyTooLarge,
            BodyTooSlow,
            TooManyWaiting,
            HttpProcessingError,
            aiohttp.ClientError,
            TimeoutError,
            ConnectionError,
        ) as error:
            return _failure_response(error)


async def _answer(request: web.BaseRequest, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
    """Passes the answer on, a long one piece by piece."""
    if upstream.status >= HTTPStatus.INTERNAL_SERVER_ERROR and upstream.content_type != PROBLEM:
        # The gateway's own words about a process that died, with the emulator's insides in them.
        return bad_gateway("The service broke off its answer. Look the order up before you send it again.")
    headers = answer_headers(upstream.status, upstream.headers)
    length = upstream.content_length
    zipped = compression.is_zipped(request, upstream, headers)
    if request.method == "HEAD":
        if zipped:
            headers["Content-Encoding"] = "gzip"
        elif length is not None:
            headers["Content-Length"] = str(length)
        return web.Response(status=upstream.status, reason=upstream.reason, headers=headers)
    if length is not None and length <= _BUFFERED_BYTES:
        whole = web.Response(
            status=upstream.status, reason=upstream.reason, headers=headers, body=await upstream.read()
        )
        if zipped:
            whole.enable_compression(web.ContentCoding.gzip)
        return whole
    response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=headers)
    response.content_length = length
    if zipped:
        response.enable_compression(web.ContentCoding.gzip)
    if request.version < HttpVersion11 and (zipped or length is None):
        # Only the connection's end tells such a client the answer's; aiohttp keeps it open.
        response.force_close()
    return await _stream_body(request, upstream, response)


async def _stream_body(
    request: web.BaseRequest, upstream: aiohttp.ClientResponse, response: web.StreamResponse
) -> web.StreamResponse:
    """Passes the body on while it comes; a broken one is cut off, not made to look whole."""
    await response.prepare(request)
    try:
        async for chunk in upstream.content.iter_any():
            await response.write(chunk)
    except (aiohttp.ClientError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response
