"""Reading a JSON body strictly: exact numbers, no duplicate keys, nothing that could surprise later."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import NoReturn

from chalicelib.http.problems import Problem, ProblemCode

MAX_BODY_BYTES = 64 * 1024


def read_json(raw: bytes, content_type: str | None) -> dict[str, object]:
    """The body as an object; numbers with a fraction or an exponent are decimals, never floats.

    Raises:
        Problem: another content type, too large, not UTF-8, no JSON, or no object.
    """
    if content_type is not None and content_type.split(";")[0].strip().lower() != "application/json":
        raise Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json.")
    if len(raw) > MAX_BODY_BYTES:
        raise Problem(ProblemCode.BODY_TOO_LARGE, f"The body is larger than {MAX_BODY_BYTES} bytes.")
    try:
        body = json.loads(
            raw.decode("utf-8"),
            parse_float=Decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_duplicates,
        )
    except RecursionError:
        raise Problem(ProblemCode.MALFORMED_JSON, "The body is nested too deeply.") from None
    except ValueError as error:
        raise Problem(ProblemCode.MALFORMED_JSON, f"The body is no valid JSON: {error}.") from None
    if not isinstance(body, dict):
        raise Problem(ProblemCode.MALFORMED_JSON, "The body must be a JSON object.")
    return body


def _integer(digits: str) -> int | Decimal:
    """Python refuses to read integers of thousands of digits; as a decimal they are merely too large."""
    return int(digits) if len(digits) <= 40 else Decimal(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return result
