"""JSON schemas of the models and views, tidied for people: short names, no generated titles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

Schema: TypeAlias = dict[str, Any]
REFERENCE = "#/components/schemas/"


def component_name(kind: type) -> str:
    """OrderView is the order, for clients."""
    return kind.__name__.removesuffix("View")


def schemas_of(kinds: Iterable[type]) -> Schema:
    """The schema of every type, and of every type that these use, by the name that references have."""
    inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (kind.__name__, _mode(kind), TypeAdapter(kind)) for kind in kinds
    ]
    schemas, shared = TypeAdapter.json_schemas(inputs, ref_template=REFERENCE + "{model}")
    named = dict(shared.get("$defs", {}))
    for (name, _), schema in schemas.items():
        if "$ref" not in schema:
            named[name] = schema
    return {name.removesuffix("View"): _tidy(schema) for name, schema in sorted(named.items())}


def reference(kind: type) -> Schema:
    """A reference to a type's schema."""
    return {"$ref": REFERENCE + component_name(kind)}


def query_parameters(kind: type[BaseModel]) -> list[Schema]:
    """A query model's fields as parameters; none of them takes null."""
    properties = kind.model_json_schema(ref_template=REFERENCE + "{model}")["properties"]
    return [_parameter(name, _tidy(schema)) for name, schema in properties.items()]


def _parameter(name: str, schema: Schema) -> Schema:
    options = [option for option in schema.pop("anyOf", []) if option != {"type": "null"}]
    schema = {**schema, **options[0]} if len(options) == 1 else schema
    if schema.get("default", ...) is None:
        del schema["default"]
    description = schema.pop("description", "")
    examples = schema.pop("examples", [])
    parameter: Schema = {"name": name, "in": "query", "required": False, "schema": schema}
    if description:
        parameter["description"] = description
    if examples:
        parameter["example"] = examples[0]
    return parameter


def _mode(kind: type) -> JsonSchemaMode:
    return "validation" if issubclass(kind, BaseModel) else "serialization"


def _tidy(schema: Any) -> Any:
    """Without the titles that pydantic makes of names, and with the short names in references."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    tidied = {key: _tidied(key, value) for key, value in schema.items() if key != "title"}
    if isinstance(tidied.get("$ref"), str):
        tidied["$ref"] = tidied["$ref"].removesuffix("View")
    return tidied


def _tidied(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: _tidy(schema) for name, schema in value.items()}
    return value if key in ("examples", "enum", "default", "const") else _tidy(value)
