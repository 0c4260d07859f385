"""A request as API Gateway hands it over (proxy integration, payload 1.0): path, headers, query, and a JSON body."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

from chalicelib import strict_json
from chalicelib.domain.errors import OrderNotFound
from chalicelib.domain.identity import Identity, Owner
from chalicelib.domain.order import is_order_id
from chalicelib.http.problems import Problem, ProblemCode, printable

# An order is smaller than 2 KiB.
MAX_BODY_BYTES = 16 * 1024
MAX_PATH = 1024
MAX_ID_SHOWN = 64
STREAM_PATH = "/api/orders/execute"
REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
# Without a comma: where a header stands twice, some gateways make one value of it with commas between.
IDEMPOTENCY_KEY = re.compile(r"[\x20-\x2b\x2d-\x7e]{1,255}")
# What may stand in a path as it is; a percent sign is one that the client sent.
PATH_CHARACTERS = "/%:@!$&'()*+,;=~-._"
LIST_SEPARATOR = ", "
UTF_8 = ("", "utf-8", "utf8")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request; header names are in lower case, the values of one that stands several times a list with commas.

    `route` is the resource's pattern, `path` what was really asked for behind `root`, where the API hangs in the URL:
    the stage on AWS ("/live"), nothing behind a front door or a custom domain.
    """

    route: str
    root: str
    path: str
    raw_body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, list[str]]
    request_id: str
    is_https: bool = False
    method: str = "GET"
    # Every value of every spelling of the header; whoever reads it decides what several mean.
    authorization: tuple[str, ...] = ()
    # Whose request it is; known once http/access.py has let it in.
    identity: Identity | None = None

    @property
    def sender(self) -> Identity:
        """Who sends the request. A route that lets anybody in has nobody to ask for: that is a defect."""
        if self.identity is None:
            raise RuntimeError(f"{self.method} {self.route} is public and asked for its sender.")
        return self.identity

    @property
    def owner(self) -> Owner:
        """Whose orders the request is about."""
        return self.sender.owner

    @property
    def instance(self) -> str:
        """The path as the client knows it."""
        return self.root + self.path

    @property
    def if_none_match(self) -> str:
        """The ETags of what the client has; empty where it has nothing."""
        return self.headers.get("if-none-match", "")

    @property
    def idempotency_key(self) -> str | None:
        """The Idempotency-Key header; one that stands twice is one key. Raises `Problem` where it cannot be one."""
        sent = self.headers.get("idempotency-key")
        if sent is None:
            return None
        key, *others = set(sent.split(LIST_SEPARATOR))
        if others or not IDEMPOTENCY_KEY.fullmatch(key):
            raise Problem(
                ProblemCode.INVALID_IDEMPOTENCY_KEY,
                "Idempotency-Key takes one key of 1 to 255 printable ASCII characters without a comma.",
            )
        return key

    def json(self) -> dict[str, object]:
        """The body as an object; numbers with a fraction or an exponent are decimals, never floats.

        Raises:
            Problem: another content type or encoding, too large, not UTF-8, no JSON, or no object.
        """
        _refuse_other_types(self.headers)
        if len(self.raw_body) > MAX_BODY_BYTES:
            raise Problem(ProblemCode.BODY_TOO_LARGE, f"The body is larger than {MAX_BODY_BYTES} bytes.")
        if not self.raw_body.strip():
            raise _malformed("is empty: send one JSON object")
        try:
            body = strict_json.read(self.raw_body.decode("utf-8"), unusable=_refused_by_its_field)
        except RecursionError:
            raise _malformed("is nested too deeply") from None
        except UnicodeDecodeError as error:
            raise _malformed(f"is not UTF-8: see byte {error.start}") from None
        except ValueError as error:
            raise _malformed(f"is no valid JSON: {error}") from None
        if not isinstance(body, dict):
            raise _malformed("must be a JSON object")
        return body


def read_event(event: Mapping[str, Any], websocket_url: str) -> HttpRequest:
    """The request of a Lambda event; `websocket_url` is where clients open their streams.

    Where that is the front door's address, clients see no stage in their URLs.
    """
    context = event["requestContext"]
    headers = _headers(event)
    root, path = _split(str(context.get("path") or event.get("path") or "/"), str(context["resourcePath"]))
    behind_front_door = urlsplit(websocket_url).path == STREAM_PATH
    return HttpRequest(
        route=str(context["resourcePath"]),
        root="" if behind_front_door else root,
        path=path,
        raw_body=_body(event),
        headers=headers,
        query=event.get("multiValueQueryStringParameters") or {},
        request_id=_request_id(headers, context),
        method=str(context["httpMethod"]),
        authorization=_authorization(event),
        is_https=urlsplit(websocket_url).scheme == "wss",
    )


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Several values as one list, as RFC 9110 (5.3) reads them: API Gateway's `headers` has only the last of them."""
    single = {name: [value] for name, value in (event.get("headers") or {}).items()}
    several = {**single, **(event.get("multiValueHeaders") or {})}
    return {str(name).lower(): LIST_SEPARATOR.join(map(str, values)) for name, values in several.items()}


def _authorization(event: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of all Authorization headers: none is lost where two spell the name differently."""
    several = event.get("multiValueHeaders") or {}
    single = {name: [value] for name, value in (event.get("headers") or {}).items() if name not in several}
    named = [values for name, values in {**single, **several}.items() if str(name).lower() == "authorization"]
    return tuple(str(value) for values in named for value in values)


def checked_order_id(text: str) -> str:
    """The path's order id. Raises `OrderNotFound` for what can be none, without asking the database."""
    if not is_order_id(text):
        raise OrderNotFound(printable(text[:MAX_ID_SHOWN]))
    return text


def _split(whole: str, pattern: str) -> tuple[str, str]:
    """Where the API hangs and the path behind that: it begins with what the pattern has before its first parameter."""
    if pattern == "/":
        return whole.rstrip("/"), "/" if whole.endswith("/") else ""
    start = max(whole.find(pattern.partition("{")[0]), 0)
    return whole[:start], quote(whole[start:], safe=PATH_CHARACTERS, errors="replace")[:MAX_PATH]


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body")
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    if event.get("isBase64Encoded"):
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            return b"\xff"
    # A lone surrogate is no UTF-8: `json` says so.
    return str(body).encode("utf-8", "surrogatepass")


def _request_id(headers: Mapping[str, str], context: Mapping[str, Any]) -> str:
    """The client's X-Request-Id where it can be logged, else the gateway's, which its access log has too."""
    for candidate in (headers.get("x-request-id"), context.get("requestId")):
        if isinstance(candidate, str) and REQUEST_ID.fullmatch(candidate):
            return candidate
    return str(uuid.uuid4())


def _refuse_other_types(headers: Mapping[str, str]) -> None:
    media_type, *parameters = headers.get("content-type", "application/json").split(";")
    charset = next((value for name, value in map(_parameter, parameters) if name == "charset"), "")
    if media_type.strip().lower() != "application/json":
        raise Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json.")
    if charset not in UTF_8:
        raise Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the body in UTF-8; JSON knows no other encoding.")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the body without a Content-Encoding.")


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.strip().lower().partition("=")
    return name.strip(), value.strip().strip('"')


def _malformed(what: str) -> Problem:
    return Problem(ProblemCode.MALFORMED_JSON, f"The body {what}.")


def _refused_by_its_field(_number: str) -> Decimal:
    """No field takes NaN: the answer names the one that it was sent for."""
    return Decimal("NaN")
