"""Reading a body or a query into its model: pydantic runs the rules and collects what breaks them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from chalicelib.domain.errors import InvalidField, InvalidOrder
from chalicelib.http.problems import printable

ERROR_MESSAGES = {
    "extra_forbidden": "is not a field of this request",
    "missing": "is missing",
    # pydantic would name our class, which no trader knows.
    "model_type": "must be an object",
}
# "Input should be a valid integer", "String should have at most 512 characters": ours begin with the verb.
PYDANTIC_SUBJECT = re.compile(r"^(Input|String) should ")
Model = TypeVar("Model", bound=BaseModel)
NOTHING: Mapping[str, str] = MappingProxyType({})


def validated(
    model: type[Model],
    values: object,
    *,
    settings: Mapping[str, object] | None = None,
    unknown: Mapping[str, str] = NOTHING,
) -> Model:
    """The values as the model; `settings` are for the fields whose rules depend on them.

    `unknown` has a sentence for some fields that the model does not have, by their names.

    Raises:
        InvalidOrder: with every invalid field at once.
    """
    try:
        return model.model_validate(values, context=dict(settings or {}))
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        raise InvalidOrder(*(_field(dict(one), unknown) for one in errors)) from None


def _field(error: dict[str, Any], unknown: Mapping[str, str]) -> InvalidField:
    name = printable(".".join(str(part) for part in error["loc"])) or "body"
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return InvalidField(name, str(cause))
    if error["type"] == "extra_forbidden" and name in unknown:
        return InvalidField(name, unknown[name])
    return InvalidField(name, ERROR_MESSAGES.get(error["type"]) or PYDANTIC_SUBJECT.sub("must ", str(error["msg"])))
