"""The server side of the front door's connections: how many there are and how long each may take.

aiohttp parses and answers; what it leaves out is here: a limit on connections, on the time of a request's head and of
an answer's reading, an answer to who closes his sending half, and problems for what it cannot parse.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import ERROR, _ErrInfo

from localstack.gateway.problems import bad_gateway, malformed, problem, to_bytes

# Below the 16 KiB that the emulator reads, with room for what is added; API Gateway takes 10,240 bytes.
MAX_HEAD_BYTES = 12 * 1024
MAX_HEADERS = 128
# Each may hold a body in memory and a second connection to the service.
MAX_CONNECTIONS = 1000
HEAD_SECONDS = 10.0
IDLE_SECONDS = 75.0
# In which what stands in the buffer (some 128 KiB at most) is to be read.
UNREAD_SECONDS = 20.0
_LINGER_SECONDS = 2.0


class Connections(web.Server):
    """Every connection of one front door; one too many takes the place of the one that idles longest."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(
            handler,
            request_factory=self._begin,
            access_log=None,
            # A body passes as it was sent: one that only claims to be compressed is the service's to refuse.
            auto_decompress=False,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=_LINGER_SECONDS,
            max_headers=MAX_HEADERS,
            max_line_size=MAX_HEAD_BYTES,
            # One more: LineTooLong tells its limit, not which of the two it was.
            max_field_size=MAX_HEAD_BYTES + 1,
        )

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Takes it in, or refuses it where all others are at work."""
        if len(self._connections) >= MAX_CONNECTIONS:
            idle = [each for each in self._connections if isinstance(each, Connection) and each.idle_since is not None]
            if not idle:
                transport.write(to_bytes(overloaded()))
                handler.force_close()
                return
            min(idle, key=lambda each: each.idle_since or 0.0).force_close()
        super().connection_made(handler, transport)

    def _begin(
        self,
        message: RawRequestMessage,
        content: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        if message is ERROR:  # what cannot be parsed: it would be answered as HTTP/1.0
            message = message._replace(version=HttpVersion11)
        request = self._make_request(message, content, protocol, writer, task)
        if isinstance(protocol, Connection):
            protocol.begin(request)
        return request


class Connection(web.RequestHandler):
    """One client's connection."""

    __slots__ = ("_client", "_ended", "_handled", "_head_limit", "_unread_limit", "idle_since")

    def __init__(self, connections: Connections, *, loop: asyncio.AbstractEventLoop, **settings: Any) -> None:
        super().__init__(connections, loop=loop, **settings)
        # None while a request is handled.
        self.idle_since: float | None = loop.time()
        self._client: asyncio.Transport | None = None
        self._ended = False
        self._handled: web.BaseRequest | None = None
        self._head_limit: asyncio.TimerHandle | None = None
        self._unread_limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Anything that the client has not read is known at once, not from 64 KiB on."""
        self._client = cast(asyncio.Transport, transport)
        self._client.set_write_buffer_limits(high=0)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Ends every limit."""
        self._head_is_whole()
        self._is_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Limits the time from a head's first byte to its last, and tells who reads a body that it is broken."""
        super().data_received(data)
        if data and self.idle_since is not None and not self._messages and self._head_limit is None:
            self._head_limit = self._loop.call_later(HEAD_SECONDS, self._refuse_slow_head)
        if self._messages and isinstance(error := self._messages[-1][0], _ErrInfo):
            contents = [content for _, content in self._messages]
            if self._handled is not None:
                contents.append(self._handled.content)
            for content in contents:
                if not content.is_eof():
                    content.set_exception(error.exc)
                    # Nothing more of it is waited for, also not while the answer is sent.
                    content.feed_eof()

    def begin(self, request: web.BaseRequest) -> None:
        """A request's head is whole."""
        self._head_is_whole()
        self._handled = request
        self.idle_since = None

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Sends the answer; the last one to a client that sends no more closes the connection."""
        answered = await super().finish_response(request, resp, start_time)
        self._handled = None
        self.idle_since = self._loop.time()
        if self._ended and not self._messages:
            self.close()
        return answered

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Keeps the connection of a client that closes its sending half until what it asked for is answered."""
        pending = [content for _, content in self._messages]
        if self._handled is not None and not self._upgraded:
            pending.append(self._handled.content)
        self._ended = bool(pending) and all(content.is_eof() for content in pending)
        return self._ended

    def pause_writing(self) -> None:
        """Cuts off who reads nothing for a while, also after the answer: a close would wait for him without end."""
        super().pause_writing()
        self._unread_limit = self._loop.call_later(UNREAD_SECONDS, self._cut_off)

    def resume_writing(self) -> None:
        """Everything was read."""
        self._is_read()
        super().resume_writing()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A problem instead of text: for what cannot be parsed, and for a defect of ours, which is logged."""
        if isinstance(exc, HttpProcessingError):
            response = unparsable(exc)
        else:
            super().handle_error(request, status, exc, message)
            response = bad_gateway("The front door failed. Look the order up before you send it again.")
        response.force_close()
        return response

    def _refuse_slow_head(self) -> None:
        self._head_limit = None
        if self._client is not None and self.idle_since is not None:
            detail = f"The request's head did not come within {HEAD_SECONDS:.0f} seconds: send it at once."
            self._client.write(to_bytes(problem(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", detail)))
            self.force_close()

    def _cut_off(self) -> None:
        self._unread_limit = None
        # A WebSocket has its own limit: its buffer may never be empty while its client reads on.
        if self._client is not None and self._payload_parser is None:
            self._client.abort()

    def _head_is_whole(self) -> None:
        if self._head_limit is not None:
            self._head_limit.cancel()
            self._head_limit = None

    def _is_read(self) -> None:
        if self._unread_limit is not None:
            self._unread_limit.cancel()
            self._unread_limit = None


def overloaded() -> web.Response:
    """So much goes on that nothing more is taken."""
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "overloaded",
        "Too many requests wait at the front door: try again in a few seconds.",
        headers={"Retry-After": "2"},
    )


def unparsable(error: HttpProcessingError) -> web.Response:
    """What the client is told of a request that is none."""
    if isinstance(error, LineTooLong):
        if error.args[1] == MAX_HEAD_BYTES:
            return problem(
                HTTPStatus.REQUEST_URI_TOO_LONG,
                "uri_too_long",
                f"Path and query are longer than {MAX_HEAD_BYTES} bytes: send less in the query.",
            )
        return headers_too_large()
    if "Too many headers" in error.message:
        return headers_too_large()
    return malformed(
        "This is no HTTP/1.1 request (RFC 9112): send one with a known method and a well-formed line, headers and body."
    )


def headers_too_large() -> web.Response:
    """Of the request line and all headers together, or of one header."""
    return problem(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "headers_too_large",
        f"Request line and headers take at most {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers: send fewer cookies.",
    )
