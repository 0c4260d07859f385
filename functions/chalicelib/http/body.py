"""Reading a JSON body strictly: exact numbers, no duplicate keys, nothing that could surprise later."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from chalicelib.http.catalogue import ProblemCode
from chalicelib.http.problems import Problem

MAX_BODY_BYTES = 64 * 1024
MAX_NAME = 100
UTF_8 = ("", "utf-8", "utf8")


def read_json(raw: bytes, headers: Mapping[str, str]) -> dict[str, object]:
    """The body as an object; numbers with a fraction or an exponent are decimals, never floats.

    Raises:
        Problem: another content type or encoding, too large, not UTF-8, no JSON, or no object.
    """
    _refuse_other_types(headers)
    if len(raw) > MAX_BODY_BYTES:
        raise Problem(ProblemCode.BODY_TOO_LARGE, f"The body is larger than {MAX_BODY_BYTES} bytes.")
    try:
        body = json.loads(
            raw.decode("utf-8"),
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_duplicates,
        )
    except RecursionError:
        raise Problem(ProblemCode.MALFORMED_JSON, "The body is nested too deeply.") from None
    except UnicodeDecodeError as error:
        raise Problem(ProblemCode.MALFORMED_JSON, f"The body is not UTF-8: see byte {error.start}.") from None
    except ValueError as error:
        raise Problem(ProblemCode.MALFORMED_JSON, f"The body is no valid JSON: {error}.") from None
    if not isinstance(body, dict):
        raise Problem(ProblemCode.MALFORMED_JSON, "The body must be a JSON object.")
    return body


def _refuse_other_types(headers: Mapping[str, str]) -> None:
    media_type, *parameters = headers.get("content-type", "application/json").split(";")
    charset = next((value for name, _, value in map(_parameter, parameters) if name == "charset"), "")
    if media_type.strip().lower() != "application/json":
        raise Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json.")
    if charset not in UTF_8:
        raise Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the body in UTF-8; JSON knows no other encoding.")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the body without a Content-Encoding.")


def _parameter(text: str) -> tuple[str, str, str]:
    name, separator, value = text.strip().lower().partition("=")
    return name.strip(), separator, value.strip().strip('"')


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"the number {text[:MAX_NAME]} is out of every range") from None


def _integer(digits: str) -> int | Decimal:
    """Python refuses to read integers of thousands of digits; as a decimal they are merely too large."""
    return int(digits) if len(digits) <= 40 else Decimal(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice[:MAX_NAME]!r} stands twice in one object")
    return result
