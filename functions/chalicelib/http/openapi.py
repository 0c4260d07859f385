"""The OpenAPI 3.1 document, generated from the models that validate and the types that answers have."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from typing import Any

from chalicelib import VERSION
from chalicelib.http.answers import PlacedView
from chalicelib.http.catalogue import CATALOGUE, ProblemCode
from chalicelib.http.operations import OPERATIONS, Operation, Success
from chalicelib.http.problems import PROBLEM_JSON, ProblemView
from chalicelib.http.schemas import Schema, query_parameters, reference, schemas_of

DESCRIPTION = """\
Takes swap orders, routes each to the better of two decentralised exchanges, executes it exactly once, and streams every
status change over a WebSocket.

Amounts are exact: send them as JSON numbers or strings; answers have the decimal string and the integer base units.
Errors are problem documents (RFC 9457) with a stable `code`. Every answer has an `X-Request-Id`.
"""
TAGS = {
    "Orders": "Place, read, list, cancel.",
    "Market": "Quotes and tokens.",
    "Service": "Health, specification, pages.",
}
HEADERS: dict[str, Schema] = {
    "X-Request-Id": {
        "description": "The request's id: yours, or the gateway's. It stands in every log line of the request.",
        "schema": {"type": "string"},
    },
    "Location": {"description": "The order's path.", "required": True, "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "`true` where an earlier request with this Idempotency-Key had placed the order.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "Upgrade": {"description": "`websocket`.", "schema": {"type": "string"}},
}
PARAMETERS: dict[str, Schema] = {
    "X-Request-Id": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Your id for the request: 1 to 128 printable ASCII characters, no spaces; others are ignored.",
        "schema": {"type": "string"},
        "example": "req-1",
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes repeating the request safe: the same key and order get the first answer again. Per user, "
        "kept for 48 hours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
        "example": "4f0d3c52-6c1e-4f0e-9f0a-0d6c4b8f2a11",
    },
    "order_id": {
        "name": "order_id",
        "in": "path",
        "required": True,
        "description": "The order's id.",
        "schema": {"type": "string"},
        "example": "ord_019aad1c8f005f2b7c9d1e3a4b6c8d0f",
    },
}
# What a gateway in front of the service answers by itself.
GATEWAY_STATUSES = {502: "The answer broke off.", 504: "The answer took too long."}
RETRYABLE = {429, 502, 503, 504}


@cache
def openapi(root: str) -> Schema:
    """The document; `root` is where the API hangs, such as "/live" or ""."""
    views = [answer.view for operation in OPERATIONS for answer in operation.answers.values() if _is_view(answer)]
    bodies = [operation.body for operation in OPERATIONS if operation.body]
    queries = [operation.query for operation in OPERATIONS if operation.query]
    kinds = {kind.__name__: kind for kind in [*bodies, *queries, *views, ProblemView] if kind}
    schemas = schemas_of(kinds.values())
    for query in queries:
        # Its fields stand at the operation, as parameters.
        del schemas[query.__name__]
    paths: dict[str, Schema] = defaultdict(dict)
    for operation in OPERATIONS:
        paths[operation.path][operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Order execution engine",
            "version": VERSION,
            "summary": "Swap orders over HTTP, followed live over a WebSocket",
            "description": DESCRIPTION,
        },
        "servers": [{"url": root or "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": dict(paths),
        "components": {"schemas": schemas, "parameters": PARAMETERS, "headers": HEADERS},
    }


@cache
def openapi_text(root: str) -> str:
    """The document as it is served."""
    return json.dumps(openapi(root), separators=(",", ":"))


def _is_view(answer: Success) -> bool:
    return answer.view not in (None, dict)


def _operation(operation: Operation) -> Schema:
    described: Schema = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if operation.body:
        content = {"schema": reference(operation.body), "example": dict(operation.example)}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


def _parameters(operation: Operation) -> list[Schema]:
    names = [*operation.headers, "X-Request-Id"]
    if "{order_id}" in operation.path:
        names.insert(0, "order_id")
    shared: list[Schema] = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    return [*(query_parameters(operation.query) if operation.query else []), *shared]


def _responses(operation: Operation) -> Schema:
    responses = {status: _success(answer) for status, answer in operation.answers.items()}
    by_status: dict[int, list[ProblemCode]] = defaultdict(list)
    for code in operation.all_problems:
        by_status[int(CATALOGUE[code].status)].append(code)
    for status, codes in by_status.items():
        problem = _problem(status, codes)
        if status in responses:
            responses[status]["content"].update(problem["content"])
        else:
            responses[status] = problem
    for status, text in GATEWAY_STATUSES.items():
        responses[status] = {**_problem(status, []), "description": text}
    return {str(status): responses[status] for status in sorted(responses)}


def _success(answer: Success) -> Schema:
    described = _described(answer)
    if answer.view is PlacedView:
        # What can be done with the order that the answer names.
        described["links"] = {
            name: {"operationId": name, "parameters": {"order_id": "$response.body#/orderId"}}
            for name in ("getOrder", "listOrderEvents", "cancelOrder")
        }
    return described


def _described(answer: Success) -> Schema:
    schema: Schema = {"type": "string"}
    if answer.view is dict:
        schema = {"type": "object"}
    elif answer.view is not None:
        schema = reference(answer.view)
    return {
        "description": answer.description,
        "headers": _headers(*answer.headers),
        "content": {answer.media_type: {"schema": schema}},
    }


def _problem(status: int, codes: list[ProblemCode]) -> Schema:
    headers = ["Retry-After"] if status in RETRYABLE else []
    if ProblemCode.UPGRADE_REQUIRED in codes:
        headers.append("Upgrade")
    return {
        "description": " ".join(f"`{code}`: {CATALOGUE[code].title}." for code in codes),
        "headers": _headers(*headers),
        "content": {PROBLEM_JSON: {"schema": reference(ProblemView)}},
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}
