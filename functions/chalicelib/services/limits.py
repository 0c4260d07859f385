"""How much one user may ask for, where users prove who they are: in open mode a user is whatever one writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chalicelib.domain.identity import Owner


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """Orders, quotes and stream tickets a minute, and orders under way, without those that rest; 0 is no limit."""

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


class NoLimits:
    """`Allowances` of open mode."""

    def take(self, _owner: Owner) -> None:
        """Anybody may have anything."""
