"""Whether an answer is sent compressed: the front door's part off AWS, where API Gateway has MinimumCompressionSize."""

from http import HTTPStatus

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

MIN_BYTES = 1024
_TYPES = frozenset({"application/json", "application/problem+json", "application/javascript", "image/svg+xml"})


def _accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header (RFC 9110, 12.5.3) names gzip, or all, with a weight above 0."""
    weights: dict[str, float] = {}
    for item in accept_encoding.lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        weights[coding] = weight
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def is_zipped(request: web.BaseRequest, upstream: aiohttp.ClientResponse, headers: CIMultiDict[str]) -> bool:
    """Whether the answer is sent as gzip; puts into its headers what caches and conditional requests have to know."""
    length = upstream.content_length
    if (
        length is None
        or length < MIN_BYTES
        or upstream.status == HTTPStatus.PARTIAL_CONTENT
        or not (upstream.content_type.startswith("text/") or upstream.content_type in _TYPES)
        or "Content-Encoding" in headers
        or "no-transform" in headers.get("Cache-Control", "").lower()
    ):
        return False
    _add_vary(headers)
    if not _accepts_gzip(", ".join(request.headers.getall("Accept-Encoding", ()))):
        return False
    tag = headers.get("ETag", "")
    if tag.startswith('"'):
        # A strong one names the very bytes (RFC 9110, 8.8.1), and others are sent.
        headers["ETag"] = f"W/{tag}"
    return True


def _add_vary(headers: CIMultiDict[str]) -> None:
    """Tells caches that another client may get other bytes."""
    named = ", ".join(headers.popall("Vary", ()))
    if not {"accept-encoding", "*"} & {name.strip().lower() for name in named.split(",")}:
        named = f"{named}, Accept-Encoding" if named else "Accept-Encoding"
    headers["Vary"] = named
