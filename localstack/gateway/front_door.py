"""One address for REST and WebSocket: a reverse proxy in front of the two APIs of the deployed stack."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import WSCloseCode, web
from yarl import URL

from localstack.gateway import websocket_relay
from localstack.gateway.concurrency_limiter import ConcurrencyLimiter
from localstack.gateway.forwarding import Upstream, answer_headers, forwarded_headers, path_and_query
from localstack.gateway.problems import PROBLEM, bad_gateway, problem, unavailable

MAX_BODY_BYTES = 10 * 1024 * 1024
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


class _TooLargeError(Exception):
    """More of the body arrived than is forwarded."""


async def _counted(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    total = 0
    async for chunk in content.iter_any():
        total += len(chunk)
        if total > MAX_BODY_BYTES:
            raise _TooLargeError
        yield chunk


def _too_large() -> web.Response:
    limit = MAX_BODY_BYTES // 1024 // 1024
    return problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body_too_large",
        f"The body is larger than {limit} MiB: send less.",
        headers={"Connection": "close"},
    )


def _failed(error: Exception) -> web.Response:
    """What the client is told where nothing could be passed on."""
    if isinstance(error, _TooLargeError) or isinstance(error.__cause__, _TooLargeError):
        return _too_large()
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

    `upstream` may be replaced while it runs, after the stack was deployed anew. None answers 503.
    """

    def __init__(self, upstream: Upstream | None) -> None:
        self.upstream = upstream
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
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        # The server's own low level: there is one route, so no router, and bodies are not read in full.
        # A body passes as it was sent: one that only claims to be compressed is the service's to refuse.
        server = web.Server(self.handle, access_log=None, auto_decompress=False)
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
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

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Forwards one request, or keeps a WebSocket open."""
        upstream, session = self.upstream, self._session
        if upstream is None or session is None:
            return unavailable("The stack is being deployed: try again in a few seconds.")
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await websocket_relay.relay(request, upstream, session, self._handshakes, self._websockets)
            async with self._requests.place():
                return await self._forward(request, upstream.rest_url, session)
        except (_TooLargeError, aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            return _failed(error)

    async def _forward(
        self, request: web.BaseRequest, rest_url: str, session: aiohttp.ClientSession
    ) -> web.StreamResponse:
        headers = forwarded_headers(request)
        body: bytes | AsyncIterator[bytes] | None = None
        if request.body_exists:
            length = request.content_length
            if length is not None and length > MAX_BODY_BYTES:
                return _too_large()
            if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
                request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if length is not None and length <= _BUFFERED_BYTES:
                body = await request.content.read(-1)
            else:
                body = _counted(request.content)
                if length is not None:
                    headers["Content-Length"] = str(length)
        url = URL(rest_url + path_and_query(request), encoded=True)
        async with session.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
            return await _answer(request, answer)


async def _answer(request: web.BaseRequest, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
    """Passes the answer on, a long one piece by piece; a broken one is cut off, not made to look whole."""
    if upstream.status >= HTTPStatus.INTERNAL_SERVER_ERROR and upstream.content_type != PROBLEM:
        # The gateway's own words about a process that died, with the emulator's insides in them.
        return bad_gateway("The service broke off its answer. Look the order up before you send it again.")
    headers = answer_headers(upstream.headers)
    length = upstream.content_length
    if request.method == "HEAD":
        if length is not None:
            headers["Content-Length"] = str(length)
        return web.Response(status=upstream.status, reason=upstream.reason, headers=headers)
    if length is not None and length <= _BUFFERED_BYTES:
        return web.Response(status=upstream.status, reason=upstream.reason, headers=headers, body=await upstream.read())
    response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=headers)
    response.content_length = length
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
