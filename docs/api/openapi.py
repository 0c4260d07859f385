"""The OpenAPI 3.1 document of the calls, with the schemas of the models that validate and the types of answers."""

import inspect
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from chalicelib import VERSION
from chalicelib.http.problems import PROBLEM_JSON, PROBLEM_TYPES, ProblemCode, ProblemView
from chalicelib.http.responses import (
    PlacedView,
)
from docs.api.examples import example_of
from docs.api.operations import (
    BEARER,
    GATEWAY_STATUSES,
    HEADERS,
    OPERATIONS,
    PARAMETERS,
    RETRYABLE,
    SECURITY_SCHEME,
    TAGS,
    Asset,
    Nothing,
    Operation,
    Schema,
    Success,
)

DESCRIPTION = """\
Takes swap orders, routes each to the better of two decentralised exchanges, executes it exactly once, and streams every
status change over a WebSocket.

Amounts are exact: send them as JSON numbers or strings; answers have the decimal string and the integer base units.
Errors are problem documents (RFC 9457) with a stable `code`. Every answer has an `X-Request-Id`.
HEAD is answered wherever GET is.
"""


@cache
def openapi() -> Schema:
    """The document of a service that hangs at "/"."""
    views = [answer.view for operation in OPERATIONS for answer in operation.answers.values()]
    bodies = [operation.body for operation in OPERATIONS]
    queries = [operation.query for operation in OPERATIONS if operation.query is not None]
    paths: dict[str, Schema] = defaultdict(dict)
    for operation in OPERATIONS:
        paths[operation.path][operation.method.lower()] = _operation(operation)
    schemas = schemas_of(
        kind
        for kind in dict.fromkeys([*bodies, *queries, *views, ProblemView])
        if kind not in (None, dict, Nothing, Asset)
    )
    # Their fields stand at the operations, as parameters.
    for query in queries:
        del schemas[query.__name__]
    for methods in paths.values():
        for described in methods.values():
            _add_examples(described["responses"], schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Order execution engine",
            "version": VERSION,
            "summary": "Swap orders over HTTP, followed live over a WebSocket",
            "description": DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": dict(paths),
        "components": {
            "schemas": schemas,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": {BEARER: SECURITY_SCHEME},
        },
    }


def _add_examples(responses: Schema, schemas: Schema) -> None:
    """An example for each answer that is a model, problems apart: the page shows one for all of them."""
    for response in responses.values():
        content = response.get("content", {}).get("application/json", {})
        if "$ref" in content.get("schema", {}):
            content["example"] = example_of(content["schema"], schemas)


def _operation(operation: Operation) -> Schema:
    described: Schema = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if operation.is_owned:
        # Nothing, too: a service in open mode asks for none.
        described["security"] = [{BEARER: []}, {}]
    if operation.body:
        content = {"schema": reference(operation.body), "example": dict(operation.example)}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


def _parameters(operation: Operation) -> list[Schema]:
    names = [*operation.headers, "X-Request-Id"]
    names = [*(name for name in ("order_id", "name") if f"{{{name}}}" in operation.path), *names]
    shared: list[Schema] = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    return [*(_query_parameters(operation.query) if operation.query else []), *shared]


def _query_parameters(query: type[BaseModel]) -> list[Schema]:
    """The query's fields; none of them takes null."""
    parameters = []
    described = query.model_json_schema(ref_template=REFERENCE)
    for name, value in described["properties"].items():
        schema = _tidy(value)
        options = [option for option in schema.pop("anyOf", []) if option != {"type": "null"}]
        schema = {**schema, **options[0]} if len(options) == 1 else schema
        if schema.get("default", ...) is None:
            del schema["default"]
        description, examples = schema.pop("description", ""), schema.pop("examples", [])
        parameter: Schema = {
            "name": name,
            "in": "query",
            "required": name in described.get("required", []),
            "schema": schema,
        }
        parameters.append(
            parameter
            | ({"description": description} if description else {})
            | ({"example": examples[0]} if examples else {})
        )
    return parameters


def _responses(operation: Operation) -> Schema:
    responses = {status: _success(answer) for status, answer in operation.answers.items()}
    by_status: dict[int, list[ProblemCode]] = defaultdict(list)
    for code in operation.all_problems:
        by_status[int(PROBLEM_TYPES[code].status)].append(code)
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
    if answer.view is Nothing:
        return {"description": answer.description, "headers": _headers(*answer.headers)}
    if answer.view is Asset:
        text: Schema = {"schema": {"type": "string"}}
        content = {"text/javascript": text, "text/css": text}
        return {"description": answer.description, "headers": _headers(*answer.headers), "content": content}
    media_type, schema = "application/json", {"type": "object"}
    if answer.view is None:
        media_type, schema = "text/html", {"type": "string"}
    elif answer.view is not dict:
        schema = reference(answer.view)
    described: Schema = {
        "description": answer.description,
        "headers": _headers(*answer.headers),
        "content": {media_type: {"schema": schema}},
    }
    if answer.view is PlacedView:
        # What can be done with the order that the answer names.
        described["links"] = {
            name: {"operationId": name, "parameters": {"order_id": "$response.body#/orderId"}}
            for name in ("getOrder", "listOrderEvents", "cancelOrder")
        }
    return described


def _problem(status: int, codes: list[ProblemCode]) -> Schema:
    headers = ["Retry-After"] if status in RETRYABLE else []
    if ProblemCode.UPGRADE_REQUIRED in codes:
        headers.append("Upgrade")
    if ProblemCode.UNAUTHENTICATED in codes:
        headers.append("WWW-Authenticate")
    return {
        "description": " ".join(f"`{code}`: {PROBLEM_TYPES[code].title}." for code in codes),
        "headers": _headers(*headers),
        "content": {PROBLEM_JSON: {"schema": reference(ProblemView)}},
    }


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


# JSON schemas, tidied for people: short names (OrderView is the order, for clients), no generated titles.

REFERENCE = "#/components/schemas/{model}"


def schemas_of(kinds: Iterable[type]) -> Schema:
    """The schema of every type, and of every type that these use, by the name that references have."""
    adapters: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (kind.__name__, "validation" if issubclass(kind, BaseModel) else "serialization", TypeAdapter(kind))
        for kind in kinds
    ]
    schemas, shared = TypeAdapter.json_schemas(adapters, ref_template=REFERENCE)
    whole = {name: schema for (name, _), schema in schemas.items() if "$ref" not in schema}
    named = {**shared.get("$defs", {}), **whole}
    return {name.removesuffix("View"): _tidy(schema) for name, schema in sorted(named.items())}


def component_name(kind: type) -> str:
    """The name of a type's schema."""
    return kind.__name__.removesuffix("View")


def reference(kind: type) -> Schema:
    """A reference to a type's schema."""
    return {"$ref": REFERENCE.format(model=component_name(kind))}


def summary_of(kind: type) -> str:
    """What a type's docstring says, in one line."""
    return " ".join((inspect.getdoc(kind) or "").split())


def _tidy(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    tidied = {key: _tidy_value(key, value) for key, value in schema.items() if key != "title"}
    if isinstance(tidied.get("$ref"), str):
        tidied["$ref"] = tidied["$ref"].removesuffix("View")
    return tidied


def _tidy_value(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: _tidy(schema) for name, schema in value.items()}
    return value if key in ("examples", "enum", "default", "const") else _tidy(value)
