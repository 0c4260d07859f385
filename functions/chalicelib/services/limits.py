"""How much one user may ask for, where users prove who they are: in open mode a user is whatever one writes."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.identity import Owner


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """Orders, quotes and stream tickets a minute, and orders under way, without those that rest; 0 is no limit."""

    per_minute: int
    max_open: int


class NoLimits:
    """`Allowances` of open mode."""

    def take(self, _owner: Owner) -> None:
        """Anybody may have anything."""
