"""Who asks, and for what: the owner of orders, and what a token lets its bearer do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose orders a call is about. Only http/identity.py makes one, from what a request proved.

    `subject` is None in open mode, where nobody proves anything. An owned adapter finds nothing for it.
    """

    subject: str | None


class Scope(StrEnum):
    """What a token may be used for."""

    READ = "orders:read"
    WRITE = "orders:write"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sends a request; `expires_at` is when the token ends, None in open mode."""

    owner: Owner
    scopes: frozenset[Scope]
    expires_at: datetime | None
