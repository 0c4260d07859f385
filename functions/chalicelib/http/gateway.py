"""A request as API Gateway hands it over (proxy integration, payload 1.0)."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from chalicelib.http.body import read_json

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
# What may stand in a path as it is; a percent sign is one that the client sent.
PATH_CHARACTERS = "/%:@!$&'()*+,;=~-._"
MAX_PATH = 1024
STREAM_PATH = "/api/orders/execute"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request; header names are in lower case.

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

    @property
    def instance(self) -> str:
        """The path as the client knows it."""
        return self.root + self.path

    def json(self) -> dict[str, object]:
        """The body. Raises `Problem`."""
        return read_json(self.raw_body, self.headers)


def read_event(event: Mapping[str, Any], websocket_url: str) -> HttpRequest:
    """The request of a Lambda event; `websocket_url` is where clients open their streams.

    Where that is the front door's address, clients see no stage in their URLs.
    """
    context = event["requestContext"]
    headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
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
    )


def _split(whole: str, pattern: str) -> tuple[str, str]:
    """Where the API hangs and the path behind that: it begins with what the pattern has before its first parameter."""
    if pattern == "/":
        return whole.rstrip("/"), "/"
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
    # A lone surrogate is no UTF-8: the body reader says so.
    return str(body).encode("utf-8", "surrogatepass")


def _request_id(headers: Mapping[str, str], context: Mapping[str, Any]) -> str:
    """The client's X-Request-Id where it can be logged, else the gateway's, which its access log has too."""
    for candidate in (headers.get("x-request-id"), context.get("requestId")):
        if isinstance(candidate, str) and REQUEST_ID.fullmatch(candidate):
            return candidate
    return str(uuid.uuid4())
