"""What a checked token says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.domain.identity import Scope


@dataclass(frozen=True, slots=True)
class Claims:
    """A token's claims, once everything about it holds; `subject` is compared byte for byte."""

    subject: str
    scopes: frozenset[Scope]
    expires_at: datetime
    token_id: str | None


class TokenChecker(Protocol):
    """Checks access tokens."""

    def check(self, authorization: Sequence[str]) -> Claims:
        """The claims of the bearer token in these, the values of all Authorization headers of a request.

        Raises:
            Refused: there is not exactly one, or something about it does not hold.
            Unavailable: the issuer's keys are too old to be trusted, or cannot be read.
        """
