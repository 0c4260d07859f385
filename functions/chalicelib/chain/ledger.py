"""What the simulated chain remembers; an adapter keeps it."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A transaction as it was sent; it lands `lands_in` seconds from now and is refused past `last_valid_height`.

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
    last_valid_height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the ledger has of a signature at `height`; `outcome` None where it has nothing."""

    height: int
    outcome: Outcome | None
    landed: bool = False
    reason: str | None = None
    fill: Fill | None = None


class Ledger(Protocol):
    """Keyed by signature: the same transaction sent twice lands once. A block takes 400 ms. Raises `Unavailable`."""

    def height(self) -> int:
        """The height of the newest block."""

    def submit(self, entry: Entry) -> bool:
        """Takes the transaction, again or for the first time; False where it expired and never lands."""

    def find(self, signature: str, last_valid_height: int) -> Found:
        """What is known of the signature.

        Once a look past the last valid height has found nothing landed, nothing ever lands: a submission that is under
        way meanwhile is refused.
        """
