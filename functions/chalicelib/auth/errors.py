"""Why a token is refused: for the log, never for its bearer."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Stable reasons; the metric AuthFailures counts by them."""

    MISSING = "missing"
    REPEATED = "repeated"
    MALFORMED = "malformed"
    HEADER = "header"
    UNKNOWN_ISSUER = "unknown_issuer"
    UNKNOWN_KEY = "unknown_key"
    ALGORITHM = "algorithm"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    EXPIRED = "expired"
    AUDIENCE = "audience"
    LIFETIME = "lifetime"
    SUBJECT = "subject"
    REVOKED = "revoked"


class Refused(Exception):
    """The token is not accepted. `kid` is named only where it is one of our keys'."""

    def __init__(self, reason: Reason, kid: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kid = kid
