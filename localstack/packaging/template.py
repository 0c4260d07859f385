"""The template as CloudFormation gets it: local paths replaced by what was uploaded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import yaml
from samtranslator.yaml_helper import intrinsics_multi_constructor

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]  # either is one
    """Reads `!Ref` and its like as SAM does, with libyaml: a seventh of the time."""


_Loader.add_multi_constructor("!", intrinsics_multi_constructor)


@dataclass(frozen=True)
class Uploaded:
    """An object in the deployment's bucket."""

    bucket: str
    key: str
    url: str


class Upload(Protocol):
    """Puts what a template refers to where CloudFormation finds it."""

    def code(self, folder: Path) -> Uploaded:
        """Packages and uploads a function's folder."""

    def template(self, path: Path) -> Uploaded:
        """Resolves and uploads a nested template."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a template. A secret one is shown to nobody."""

    default: str
    secret: bool


def read(path: Path) -> dict[str, Json]:
    """A template as it is written, its functions in their long form. Raises OSError and yaml.YAMLError."""
    return cast("dict[str, Json]", yaml.load(path.read_text(), _Loader))  # noqa: S506  # a safe one


def parameters(path: Path) -> dict[str, Parameter]:
    """The template's parameters. Raises OSError and yaml.YAMLError where it can't be read."""
    declared = {name: _mapping(value) for name, value in _mapping(read(path).get("Parameters")).items()}
    return {
        name: Parameter(str(value.get("Default", "")), str(value.get("NoEcho", "")).lower() == "true")
        for name, value in declared.items()
    }


def _is_local(value: Json) -> bool:
    return isinstance(value, str) and "://" not in value


def _mapping(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _resolve_code(properties: dict[str, Json], folder: Path, upload: Upload) -> None:
    code = properties.get("CodeUri")
    if isinstance(code, str) and _is_local(code):
        uploaded = upload.code((folder / code).resolve())
        properties["CodeUri"] = {"Bucket": uploaded.bucket, "Key": uploaded.key}


def _resolve_nested(properties: dict[str, Json], folder: Path, upload: Upload) -> None:
    for name in ("TemplateURL", "Location"):
        location = properties.get(name)
        if isinstance(location, str) and _is_local(location):
            properties[name] = upload.template((folder / location).resolve()).url


def resolve(path: Path, upload: Upload) -> str:
    """The template's JSON with `CodeUri` of functions and the URLs of nested templates pointing to uploads.

    Raises OSError and yaml.YAMLError where the template can't be read.
    """
    template = read(path)
    _resolve_code(_mapping(_mapping(template.get("Globals")).get("Function")), path.parent, upload)
    for resource in _mapping(template.get("Resources")).values():
        kind, properties = _mapping(resource).get("Type"), _mapping(_mapping(resource).get("Properties"))
        if kind == "AWS::Serverless::Function":
            _resolve_code(properties, path.parent, upload)
        elif kind in ("AWS::CloudFormation::Stack", "AWS::Serverless::Application"):
            _resolve_nested(properties, path.parent, upload)
    # A template without quotes around its version gives a date.
    return json.dumps(template, default=str, separators=(",", ":"))
