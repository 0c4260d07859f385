"""Who may do what: access tokens, tickets, allowances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.domain.identity import Owner, Scope


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """Orders, quotes and stream tickets a minute, and orders under way, without those that rest; 0 is no limit.

    Where users prove who they are: in open mode a user is whatever one writes.
    """

    per_minute: int
    max_open: int


class Allowances(Protocol):
    """Quotes and tickets; for orders the statement that stores them looks."""

    def take(self, owner: Owner) -> None:
        """Takes one from what the owner has left.

        Raises:
            RateLimited: nothing is left.
            Unavailable: the database cannot be reached.
        """


class Admission(Protocol):
    """Whether somebody may follow an order, or all of a user's. Asked before anything is stored about him."""

    def __call__(self, named: str, ticket: str | None, /) -> datetime | None:
        """When what he proved ends, None for never.

        Raises:
            TicketRefused: he proves nothing.
            OrderNotFound: there is no such order, or it is not his.
            Unavailable: nobody can tell right now.
        """


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


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """An issuer's JWK set as it was fetched."""

    issuer: str
    text: str
    fetched_at: datetime


class KeyDocuments(Protocol):
    """Where issuers' key sets are kept."""

    def read(self, issuer: str) -> KeyDocument | None:
        """The newest of this issuer, None where none ever came. Raises `Unavailable`."""
