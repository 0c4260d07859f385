"""What the simulated chain remembers; an adapter keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from chalicelib.domain.order import Fill
from chalicelib.domain.quotes import Venue


class Outcome(StrEnum):
    """What the chain does, or did, with a transaction."""

    SETTLES = "settles"
    REVERTS = "reverts"
    DROPPED = "dropped"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Entry:
    """A submitted transaction; it lands `lands_in` seconds from now and is refused from `expires_at` on.

    `dropped_once` loses the first submission, so that only sending it again makes it land.
    """

    signature: str
    order_id: str
    attempt: int
    venue: Venue
    outcome: Outcome
    dropped_once: bool
    reason: str | None
    fill: Fill
    lands_in: float
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """What the chain knows of a signature."""

    outcome: Outcome
    landed: bool
    reason: str | None
    fill: Fill | None


class Ledger(Protocol):
    """Keyed by signature: the same transaction submitted twice lands once. Raises `Unavailable`."""

    def submit(self, entry: Entry) -> bool:
        """Takes the transaction, again or for the first time; False where it expired and never lands."""

    def find(self, signature: str, expires_at: datetime) -> Found | None:
        """What is known of the signature; from its expiry on the answer is final."""
