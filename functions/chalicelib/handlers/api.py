"""The REST function: API Gateway's event in, one call of `Api`, its answer out."""

from __future__ import annotations

import os
from collections.abc import Callable

from chalice.app import Request, Response

from chalicelib import bootstrap, correlation
from chalicelib.http.access import admit
from chalicelib.http.api import Api
from chalicelib.http.cors import cors_headers
from chalicelib.http.requests import HttpRequest, read_event
from chalicelib.http.responses import HttpResponse, respond


def handle(current: Request | None, call: Callable[[Api, HttpRequest], HttpResponse]) -> Response:
    """Answers the request that Chalice is routing; what `call` raises becomes a problem."""
    if current is None:
        raise RuntimeError("A route was called outside of a request.")
    request = read_event(current.to_original_event(), os.environ.get("PUBLIC_WEBSOCKET_URL", ""))
    correlation.bind(request_id=request.request_id)
    answer = respond(
        lambda: call(bootstrap.api(), admit(request, bootstrap.identify())), request, bootstrap.telemetry()
    )
    policy = cors_headers(request, bootstrap.allowed_origins())
    return Response(answer.body, headers={**answer.headers, **policy}, status_code=answer.status)
