"""Who may call what: one table for routes, one for the stream's actions. What is in neither is refused.

A route is looked up before anything of the request is read (docs/security.md has the order of checks).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, TypeAlias

from chalicelib.domain.identity import Scope
from chalicelib.http.identity import Identify, unauthenticated
from chalicelib.http.problems import Problem, ProblemCode
from chalicelib.http.requests import HttpRequest


@dataclass(frozen=True, slots=True)
class Public:
    """Answers anybody: nothing in it belongs to a user."""


@dataclass(frozen=True, slots=True)
class Owned:
    """Answers an owner, whose token has the scope, about what is his."""

    scope: Scope


Access: TypeAlias = Public | Owned
PUBLIC, READ, WRITE = Public(), Owned(Scope.READ), Owned(Scope.WRITE)

# HEAD is as GET. A preflight carries no token: OPTIONS is public wherever anything is.
ROUTES: Final[Mapping[tuple[str, str], Access]] = MappingProxyType(
    {
        ("POST", "/api/orders/execute"): WRITE,
        ("GET", "/api/orders/execute"): PUBLIC,
        ("GET", "/api/orders"): READ,
        ("GET", "/api/orders/{order_id}"): READ,
        ("PATCH", "/api/orders/{order_id}"): WRITE,
        ("GET", "/api/orders/{order_id}/events"): READ,
        ("POST", "/api/orders/{order_id}/cancel"): WRITE,
        ("POST", "/api/quotes"): READ,
        ("POST", "/api/stream-tickets"): READ,
        ("GET", "/api/events"): READ,
        ("GET", "/api/stats"): READ,
        ("GET", "/api/tokens"): PUBLIC,
        ("GET", "/api/prices"): PUBLIC,
        ("GET", "/api/launches"): PUBLIC,
        ("GET", "/health"): PUBLIC,
        ("GET", "/openapi.json"): PUBLIC,
        ("GET", "/asyncapi.json"): PUBLIC,
        ("GET", "/docs"): PUBLIC,
        ("GET", "/"): PUBLIC,
        ("GET", "/assets/{name}"): PUBLIC,
    }
)
# What a stream's client may send; `$connect` is the handshake. Owned ones need a ticket.
STREAM: Final[Mapping[str, Access]] = MappingProxyType(
    {"$connect": READ, "$disconnect": PUBLIC, "subscribe": READ, "unsubscribe": PUBLIC, "ping": PUBLIC}
)


def route_access(method: str, route: str) -> Access | None:
    """What the table says about a route, None where it says nothing."""
    if method == "OPTIONS":
        return PUBLIC if any(path == route for _, path in ROUTES) else None
    return ROUTES.get(("GET" if method == "HEAD" else method, route))


def admit(request: HttpRequest, identify: Identify) -> HttpRequest:
    """The request with its sender's identity, where its route is one that belongs to somebody.

    Raises:
        Problem: 401 without an entry in the table or without an identity, 403 without the scope.
        Unavailable: nobody can tell right now.
    """
    match route_access(request.method, request.route):
        case Public():
            return request
        case Owned(scope):
            identity = identify(request)
            if scope not in identity.scopes:
                raise forbidden_scope(scope)
            return replace(request, identity=identity)
        case None:
            raise unauthenticated()


def forbidden_scope(scope: Scope) -> Problem:
    """What a token is told that is good for other things."""
    return Problem(
        ProblemCode.FORBIDDEN,
        f"This takes a token with the scope {scope}.",
        headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
    )
