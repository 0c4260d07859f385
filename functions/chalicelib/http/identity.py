"""Who sends a request: the only place that makes an `Owner`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from chalicelib.domain.identity import Identity, Owner, Scope
from chalicelib.http.problems import Problem, ProblemCode
from chalicelib.http.requests import HttpRequest
from chalicelib.ports.history import OrderFilter
from chalicelib.ports.runtime import Telemetry

if TYPE_CHECKING:
    from chalicelib.http.tickets import StreamTicket
    from chalicelib.ports.access import TokenChecker

Identify: TypeAlias = Callable[[HttpRequest], Identity]
# One sentence whatever is wrong: which check failed is in the log.
SENTENCE = "Send one valid access token, as `Authorization: Bearer TOKEN`."
NO_TOKEN, BAD_TOKEN = "Bearer", 'Bearer error="invalid_token"'


def unauthenticated(challenge: str = BAD_TOKEN) -> Problem:
    """What a request is told that proves nothing."""
    return Problem(ProblemCode.UNAUTHENTICATED, SENTENCE, headers={"WWW-Authenticate": challenge})


def anyone(_request: HttpRequest) -> Identity:
    """Open mode: nobody is asked, and everybody may do everything."""
    return Identity(Owner(None), frozenset(Scope), None)


def owner_of(ticket: StreamTicket) -> Owner:
    """Whose orders a checked ticket is about."""
    return Owner(ticket.subject)


def bearer(tokens: TokenChecker, telemetry: Telemetry) -> Identify:
    """Reads identities from access tokens."""
    from chalicelib.auth.errors import Reason, Refused

    def identify(request: HttpRequest) -> Identity:
        try:
            claims = tokens.check(request.authorization)
        except Refused as refused:
            telemetry.warn("authentication_failed", reason=refused.reason, kid=refused.kid, route=request.route)
            telemetry.add_metric("AuthFailures", reason=refused.reason)
            raise unauthenticated(NO_TOKEN if refused.reason is Reason.MISSING else BAD_TOKEN) from None
        return Identity(Owner(claims.subject), claims.scopes, claims.expires_at)

    return identify


# A body or a query may name a user. With a token it is the subject, or left out.


def as_owned(body: dict[str, object], owner: Owner) -> dict[str, object]:
    """An order's body with the owner's name in it, where it names nobody."""
    return body if owner.subject is None else {"userId": owner.subject, **body}


def as_filtered(filters: OrderFilter, owner: Owner) -> OrderFilter:
    """A filter that says whose orders are listed: page cursors are signed with it."""
    return filters if owner.subject is None else replace(filters, user_id=owner.subject)


def refuse_another_user(named: str | None, owner: Owner) -> None:
    """Raises `Problem` where the request names a user that its token is not of, whether there is one or not."""
    if owner.subject is not None and named not in (None, owner.subject):
        raise Problem(ProblemCode.FORBIDDEN, "userId is not the subject of the access token: leave it out.")
