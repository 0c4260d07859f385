"""Checking values against the specifications more strictly than these are: no field that they do not name."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema  # type: ignore[import-untyped]

from docs.api.asyncapi import asyncapi
from docs.api.openapi import openapi


def closed(schema: Any) -> Any:
    """The schema with every object closed that names its fields: an answer must have no undocumented one."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {name: closed(value) for name, value in schema.items()}
    if isinstance(shut.get("properties"), dict) and shut.get("type") == "object":
        shut.setdefault("additionalProperties", False)
    return shut


@cache
def validator(document: str, pointer: tuple[str, ...]) -> Any:
    """Checks values against the schema at a place in the `openapi` or the `asyncapi` document."""
    whole = openapi() if document == "openapi" else asyncapi()
    schema: Any = whole
    for name in pointer:
        schema = schema[name]
    parts = {**closed(schema), "components": {"schemas": closed(whole["components"]["schemas"])}}
    return jsonschema.Draft202012Validator(parts, format_checker=jsonschema.FormatChecker())


def pattern_of(path: str) -> str | None:
    """The specified path that this one is an instance of: literal segments first, as a gateway matches."""
    for pattern in sorted(openapi()["paths"], key=lambda pattern: "{" in pattern):
        if re.fullmatch(re.sub(r"\\{.*?\\}", "[^/]+", re.escape(pattern)), path):
            return str(pattern)
    return None


def check_answer(method: str, path: str, status: int, content_type: str, body: object) -> None:
    """An answer of the HTTP interface; `path` is the pattern."""
    if method == "OPTIONS":
        # It is about the others and in the document of none.
        assert (status, body) == (204, "")
        return
    method = "GET" if method == "HEAD" else method
    responses = openapi()["paths"][path][method.lower()]["responses"]
    assert str(status) in responses, f"{method} {path} does not document {status}"
    media_type = content_type.partition(";")[0]
    if "content" not in responses[str(status)]:
        assert not body
        return
    assert media_type in responses[str(status)]["content"], f"{method} {path} does not document {media_type}"
    place = ("paths", path, method.lower(), "responses", str(status), "content", media_type, "schema")
    validator("openapi", place).validate(body)


FRAMES = {
    "status": "StatusMessage",
    "snapshot": "SnapshotMessage",
    "heartbeat": "Heartbeat",
    "pong": "Pong",
    "subscribed": "Subscribed",
    "unsubscribed": "Unsubscribed",
    "error": "StreamError",
}


def check_frame(frame: Mapping[str, Any]) -> None:
    """A frame of the stream from the server."""
    of_user = "ToUser" if frame["type"] == "subscribed" else "FromUser"
    replies = frame["type"] in ("subscribed", "unsubscribed") and "userId" in frame
    check_message(FRAMES[frame["type"]] + (of_user if replies else ""), frame)


def check_message(name: str, message: object) -> None:
    """A message of the stream, either way."""
    validator("asyncapi", ("components", "messages", name, "payload")).validate(message)
