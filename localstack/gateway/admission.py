"""What of a request is taken in before anything behind the front door hears of it: well-formed heads, whole bodies."""

import asyncio
from http import HTTPStatus
from urllib.parse import unquote

from aiohttp import HttpVersion11, web

from localstack.gateway.connections import MAX_HEAD_BYTES, headers_too_large
from localstack.gateway.forwarding import path_and_query
from localstack.gateway.problems import malformed, problem
from localstack.local_stack.emulator_gate import has_dot_segments

# The service reads 16 KiB and says so of what is a little larger. Held in memory, MAX_CONNECTIONS times at worst.
MAX_BODY_BYTES = 256 * 1024
BODY_SECONDS = 15.0


class BodyTooLarge(Exception):
    """More of the body is announced or has arrived than is forwarded."""


class BodyTooSlow(Exception):
    """The body was not whole in time."""


def refusal(request: web.BaseRequest) -> web.Response | None:
    """Why the request's head is not forwarded; None where it is."""
    if sum(len(name) + len(value) + 4 for name, value in request.raw_headers) + len(request.raw_path) > MAX_HEAD_BYTES:
        return headers_too_large()
    for name, value in request.headers.items():
        # Bytes that are no UTF-8 are lost on the way: two keys would become one.
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return malformed(f"The header {name} holds bytes that are no text: send ASCII.")
    coding = request.headers.get("Transfer-Encoding")
    if coding is not None and (coding.lower() != "chunked" or request.version < HttpVersion11):
        return malformed("Transfer-Encoding takes chunked, of HTTP/1.1, and nothing else.")
    target = path_and_query(request)
    if not target.startswith("/") or "#" in target:
        return malformed("The request line must name a path that begins with a slash, without a fragment.")
    if has_dot_segments(unquote(target.partition("?")[0])):
        return malformed("The path holds a dot segment: send the path that is meant.")
    return None


async def read_body(request: web.BaseRequest) -> bytes | None:
    """The body once all of it is there; None where the request has none.

    Raises:
        BodyTooLarge: it is larger than is forwarded.
        BodyTooSlow: it did not come in time.
        HttpProcessingError: it is no well-formed body.
        ConnectionError: the client has gone.
    """
    if not request.body_exists:
        return None
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise BodyTooLarge
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    raise BodyTooLarge
    except TimeoutError:
        raise BodyTooSlow from None
    return bytes(body)


def body_too_large() -> web.Response:
    """The body is refused, read or unread."""
    return problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body_too_large",
        f"The body is larger than {MAX_BODY_BYTES // 1024} KiB: send less.",
        closes=True,
    )


def body_too_slow() -> web.Response:
    """What of the body has come is dropped."""
    return problem(
        HTTPStatus.REQUEST_TIMEOUT,
        "request_timeout",
        f"The body did not come within {BODY_SECONDS:.0f} seconds; nothing was passed on: send it at once.",
        closes=True,
    )
