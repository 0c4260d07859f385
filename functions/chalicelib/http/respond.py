"""From a request to a response: errors, JSON, and the headers that every answer has."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chalicelib.http.gateway import HttpRequest
from chalicelib.http.problems import headers_of, problem_from, problem_view, status_of
from chalicelib.services.ports import Telemetry


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers; `body` is serialised as JSON unless it is text."""

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to the gateway."""

    status: int
    body: str
    headers: dict[str, str]


def answer(handler: Callable[[], Answer], request: HttpRequest, telemetry: Telemetry) -> Reply:
    """The handler's answer, or the problem response for its error."""
    try:
        given = handler()
        reply = Reply(given.status, _text(given.body), {"Content-Type": "application/json", **given.headers})
    except Exception as error:  # noqa: BLE001 - the one place that turns errors into responses
        problem = problem_from(error)
        view = problem_view(problem, instance=request.instance, request_id=request.request_id)
        reply = Reply(status_of(problem), _text(view), headers_of(problem))
        if reply.status >= 500:
            telemetry.defect("request_failed", error, route=request.route, status=reply.status)
    telemetry.log(
        "request_answered",
        route=request.route,
        path=request.instance,
        status=reply.status,
        request_id=request.request_id,
    )
    return Reply(
        reply.status,
        reply.body,
        {
            "X-Request-Id": request.request_id,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            **reply.headers,
        },
    )


def _text(body: object) -> str:
    """The body as it is sent. Decimals and floats have no place in it: an amount is a string."""
    return body if isinstance(body, str) else json.dumps(body, separators=(",", ":"), allow_nan=False)
