"""Which pages of other origins may read answers (the Fetch standard's CORS protocol): those of AllowedOrigins."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chalicelib.http.access import ROUTES
from chalicelib.http.requests import HttpRequest

EVERY_ORIGIN = "*"
# Browsers keep a policy for two hours at most; a changed one shall count sooner.
PREFLIGHT: Mapping[str, str] = {
    "Access-Control-Allow-Methods": ", ".join(sorted({"HEAD", *(method for method, _ in ROUTES)})),
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-Request-Id",
    "Access-Control-Max-Age": "600",
}
EXPOSED = {"Access-Control-Expose-Headers": "ETag, Idempotent-Replayed, Location, Retry-After, X-Request-Id"}


def cors_headers(request: HttpRequest, allowed: Collection[str]) -> Mapping[str, str]:
    """What an answer, an error too, says about its reader's origin; nothing at all where none is allowed."""
    if not allowed:
        return {}
    origin = request.headers.get("origin", "")
    every = EVERY_ORIGIN in allowed
    if not every and origin not in allowed:
        return {}
    policy = PREFLIGHT if "access-control-request-method" in request.headers else EXPOSED
    return {"Access-Control-Allow-Origin": EVERY_ORIGIN if every else origin, **policy}
