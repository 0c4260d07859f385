"""Problem responses (RFC 9457) of the front door itself."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

PROBLEM = "application/problem+json"
# What the front door answers by itself, as the service names its own problems: a code has one title.
_TITLES = {
    "body_too_large": "The body is too large",
    "connection_refused": "The WebSocket API refuses this connection",
    "invalid_after": "The sequence in after is none",
    "not_a_websocket": "This is no WebSocket handshake",
    "order_id_missing": "No order is named",
    "upstream_failed": "The service broke off",
    "upstream_timeout": "The service did not answer in time",
    "upstream_unavailable": "The service cannot be reached",
}


def problem(status: HTTPStatus, code: str, detail: str, *, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response that says in `detail` what happened and what the client can do."""
    body = {
        "type": f"urn:order-engine:problem:{code}",
        "title": _TITLES[code],
        "status": int(status),
        "detail": detail,
        "code": code,
    }
    return web.Response(
        status=status,
        body=json.dumps(body).encode(),
        content_type=PROBLEM,
        headers=headers,
    )


def unavailable(detail: str) -> web.Response:
    """Nothing answers behind the front door at the moment."""
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "upstream_unavailable", detail, headers={"Retry-After": "2"})


def bad_gateway(detail: str) -> web.Response:
    """What is behind the front door broke off."""
    return problem(HTTPStatus.BAD_GATEWAY, "upstream_failed", detail, headers={"Retry-After": "1"})
