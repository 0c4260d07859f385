"""Checking values against the specifications more strictly than these are: no field that they do not name."""

from typing import Any

import jsonschema  # type: ignore[import-untyped]

from chalicelib.http.asyncapi import asyncapi
from chalicelib.http.openapi import openapi

Schema = dict[str, Any]


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


def check(document: Schema, schema: Schema, value: object) -> None:
    """Raises where the value is not as the document says."""
    whole = {**closed(schema), "components": {"schemas": closed(document["components"]["schemas"])}}
    jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(value)


def check_answer(method: str, path: str, status: int, content_type: str, body: object) -> None:
    """An answer of the HTTP interface; `path` is the pattern."""
    responses = openapi("")["paths"][path][method.lower()]["responses"]
    assert str(status) in responses, f"{method} {path} does not document {status}"
    content = responses[str(status)]["content"]
    media_type = content_type.partition(";")[0]
    assert media_type in content, f"{method} {path} does not document {media_type} for {status}"
    check(openapi(""), content[media_type]["schema"], body)


def check_message(name: str, message: object) -> None:
    """A frame of the stream."""
    check(asyncapi(), asyncapi()["components"]["messages"][name]["payload"], message)
