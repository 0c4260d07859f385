"""Who sends a request: the only place that makes an `Owner`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from chalicelib.domain.identity import Identity, Owner, Scope
from chalicelib.http.problems import Problem, ProblemCode
from chalicelib.http.requests import HttpRequest
from chalicelib.services.ports import Telemetry

if TYPE_CHECKING:
    from chalicelib.auth.claims import TokenChecker

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


def bearer(tokens: TokenChecker, telemetry: Telemetry) -> Identify:
    """Reads identities from access tokens."""
    from chalicelib.auth.errors import Reason, Refused

    def identify(request: HttpRequest) -> Identity:
        try:
            claims = tokens.check(request.authorization)
        except Refused as refused:
            telemetry.warn("authentication_failed", reason=refused.reason, kid=refused.kid, route=request.route)
            raise unauthenticated(NO_TOKEN if refused.reason is Reason.MISSING else BAD_TOKEN) from None
        return Identity(Owner(claims.subject), claims.scopes, claims.expires_at)

    return identify
