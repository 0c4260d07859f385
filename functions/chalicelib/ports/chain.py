"""The chain that swaps settle on, and what it knows of a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from chalicelib.domain.order import Failure, Fill, SignedTransaction


class TransactionStatus(StrEnum):
    """What the chain knows of a signature."""

    UNKNOWN = "unknown"
    PROCESSING = "processing"
    CONFIRMED = "confirmed"
    REVERTED = "reverted"


@dataclass(frozen=True, slots=True)
class TransactionResult:
    """What a node of the chain knew of a transaction when the chain, as that node saw it, was at `height`.

    Raises:
        ValueError: a swap that was reverted has no failure, or one that was confirmed no fill; without them nobody
            could end it.
    """

    status: TransactionStatus
    height: int
    fill: Fill | None = None
    failure: Failure | None = None

    def __post_init__(self) -> None:
        """Refuses an answer that says too little."""
        if self.status is TransactionStatus.REVERTED and self.failure is None:
            raise ValueError("A swap that was reverted needs a failure.")
        if self.status is TransactionStatus.CONFIRMED and self.fill is None:
            raise ValueError("A swap that was confirmed needs a fill.")

    def rules_out(self, transaction: SignedTransaction) -> bool:
        """Whether the transaction can never land any more.

        Unknown is final only from a node that is past the last valid height itself: one that lags behind does not know
        yet what has landed, whatever the time and whatever another node says of the height.
        """
        return self.status is TransactionStatus.UNKNOWN and self.height > transaction.last_valid_height


class ChainClient(Protocol):
    """The chain, whatever the venue. Answers may come late, twice and out of order."""

    @property
    def soonest_confirmation(self) -> float:
        """Seconds from the answer to a send until a confirmation at the soonest: nobody has to ask before."""

    def height(self) -> int:
        """The height of the newest block. Raises `OutcomeUnknown` when the chain cannot be asked."""

    def send(self, transaction: SignedTransaction) -> None:
        """Sends the signed bytes; sending them again changes nothing.

        Raises:
            OutcomeUnknown: the chain did not answer in time; it may have them.
            VenueError: the chain refused them this time; what was sent earlier may have landed all the same.
        """

    def transaction_status(self, transaction: SignedTransaction) -> TransactionResult:
        """What became of it; `CONFIRMED` and `REVERTED` are told of confirmed blocks only.

        Raises `OutcomeUnknown` when the chain cannot be asked.
        """
