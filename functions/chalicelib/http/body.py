"""Reading a request's body: one JSON object in UTF-8."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from chalicelib import strict_json
from chalicelib.http.catalogue import ProblemCode
from chalicelib.http.problems import Problem

MAX_BODY_BYTES = 64 * 1024
UTF_8 = ("", "utf-8", "utf8")


def read_json(raw: bytes, headers: Mapping[str, str]) -> dict[str, object]:
    """The body as an object; numbers with a fraction or an exponent are decimals, never floats.

    Raises:
        Problem: another content type or encoding, too large, not UTF-8, no JSON, or no object.
    """
    _refuse_other_types(headers)
    if len(raw) > MAX_BODY_BYTES:
        raise Problem(ProblemCode.BODY_TOO_LARGE, f"The body is larger than {MAX_BODY_BYTES} bytes.")
    if not raw.strip():
        raise Problem(ProblemCode.MALFORMED_JSON, "The body is empty: send one JSON object.")
    try:
        body = strict_json.read(raw.decode("utf-8"), unusable=_refused_by_its_field)
    except RecursionError:
        raise Problem(ProblemCode.MALFORMED_JSON, "The body is nested too deeply.") from None
    except UnicodeDecodeError as error:
        raise Problem(ProblemCode.MALFORMED_JSON, f"The body is not UTF-8: see byte {error.start}.") from None
    except ValueError as error:
        raise Problem(ProblemCode.MALFORMED_JSON, f"The body is no valid JSON: {error}.") from None
    if not isinstance(body, dict):
        raise Problem(ProblemCode.MALFORMED_JSON, "The body must be a JSON object.")
    return body


def _refused_by_its_field(_number: str) -> Decimal:
    """No field takes NaN: the answer names the one that it was sent for."""
    return Decimal("NaN")


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
