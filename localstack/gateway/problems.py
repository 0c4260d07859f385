"""Problem responses (RFC 9457) of the front door itself."""

import json
import re
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import cast

from aiohttp import web

PROBLEM = "application/problem+json"
# As every answer of the service has them: what browsers may do with it.
SECURITY_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
)
# What can be logged; as the service takes it.
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
# What the front door answers by itself, as the service names its own problems: a code has one title.
_TITLES = {
    "aws_credentials": "AWS credentials are not taken",
    "body_too_large": "The body is too large",
    "connection_refused": "The WebSocket API refuses this connection",
    "headers_too_large": "The headers are too large",
    "invalid_after": "The sequence in after is none",
    "invalid_since": "The time in since is none",
    "invalid_user_id": "This names no user",
    "malformed_request": "The request cannot be read",
    "misdirected_request": "This is another's name",
    "not_a_websocket": "This is no WebSocket handshake",
    "not_found": "There is nothing here",
    "order_id_missing": "No order is named",
    "order_not_found": "There is no such order",
    "order_or_user": "An order and a user are named at once",
    "origin_not_allowed": "Pages of this origin may not ask",
    "overloaded": "Too much goes on at once",
    "repeated_parameter": "A parameter stands twice",
    "request_timeout": "The request did not come in time",
    "service_unavailable": "The service cannot answer now",
    "unauthenticated": "There is no valid access token",
    "upstream_failed": "The service broke off",
    "upstream_timeout": "The service did not answer in time",
    "upstream_unavailable": "The service cannot be reached",
    "uri_too_long": "Path and query are too long",
}


def problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    closes: bool = False,
) -> web.Response:
    """A response that says in `detail` what happened and what the client can do; `closes`: the connection's last."""
    body = {
        "type": f"urn:order-engine:problem:{code}",
        "title": _TITLES[code],
        "status": int(status),
        "detail": detail,
        "code": code,
    }
    response = web.Response(
        status=status,
        body=json.dumps(body).encode(),
        content_type=PROBLEM,
        headers={**SECURITY_HEADERS, **(headers or {})},
    )
    if closes:
        response.force_close()
    return response


def add_request_id(answer: web.Response, request: web.BaseRequest) -> None:
    """Says which request a problem answers, as the service's own do: the emulator's gateway knows no path."""
    if not isinstance(answer.body, bytes) or not answer.body or "Content-Encoding" in answer.headers:
        return
    view = json.loads(answer.body)
    if "instance" in view and "X-Request-Id" in answer.headers:
        return
    sent = request.headers.get("X-Request-Id", "")
    named = sent if _REQUEST_ID.fullmatch(sent) else view.get("requestId") or str(uuid.uuid4())
    answer.headers["X-Request-Id"] = named
    answer.body = json.dumps({**view, "instance": request.rel_url.raw_path, "requestId": named}).encode()


def malformed(detail: str) -> web.Response:
    """The request is refused unread; where it ends is unknown, so the connection ends with it."""
    return problem(HTTPStatus.BAD_REQUEST, "malformed_request", detail, closes=True)


def to_bytes(response: web.Response) -> bytes:
    """A whole answer that closes its connection, for one on which no request is handled."""
    body = cast(bytes, response.body)
    lines = [
        f"HTTP/1.1 {response.status} {response.reason}",
        *(f"{name}: {value}" for name, value in response.headers.items()),
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def unavailable(detail: str) -> web.Response:
    """Nothing answers behind the front door at the moment."""
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "upstream_unavailable", detail, headers={"Retry-After": "2"})


def bad_gateway(detail: str) -> web.Response:
    """What is behind the front door broke off."""
    return problem(HTTPStatus.BAD_GATEWAY, "upstream_failed", detail, headers={"Retry-After": "1"})
