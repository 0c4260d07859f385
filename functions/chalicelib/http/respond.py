"""From a request to a response: request ids, errors, JSON."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chalicelib.http.problems import Problem, headers_of, problem_from, problem_view, status_of
from chalicelib.services.ports import Telemetry

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers; `body` is serialised as JSON unless it is text."""

    status: int
    body: object
    headers: dict[str, str] = field(default_factory=dict)


def request_id_of(headers: Mapping[str, str]) -> str:
    """The client's X-Request-Id, or a new one where it sent none that can be logged."""
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def answer(handler: Callable[[], Answer], *, path: str, headers: Mapping[str, str], telemetry: Telemetry) -> Answer:
    """The handler's answer, or the problem response for its error."""
    request_id = request_id_of(headers)
    try:
        given = handler()
        reply = Answer(given.status, given.body, {"Content-Type": "application/json", **given.headers})
    except Exception as error:  # noqa: BLE001 - the one place that turns errors into responses
        reply = _problem(problem_from(error), path, request_id)
        if reply.status >= 500:
            telemetry.defect("request_failed", error, path=path, status=reply.status, request_id=request_id)
    telemetry.log("request_answered", path=path, status=reply.status, request_id=request_id)
    return Answer(
        reply.status,
        reply.body,
        {
            "X-Request-Id": request_id,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            **reply.headers,
        },
    )


def _problem(problem: Problem, path: str, request_id: str) -> Answer:
    body = problem_view(problem, instance=path, request_id=request_id)
    return Answer(status_of(problem), body, headers_of(problem))
