"""Problem responses (RFC 9457) of the front door itself."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

PROBLEM = "application/problem+json"


def problem(status: HTTPStatus, code: str, detail: str, *, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response that says in `detail` what happened and what the client can do."""
    body = {
        "type": "about:blank",
        "title": status.phrase,
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
