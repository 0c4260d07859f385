"""What the audit can find."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What can be wrong."""

    LOST = "lost"
    STUCK = "stuck"
    SETTLED_TWICE = "settled twice"
    SETTLED_BUT_FAILED = "settled but failed"
    CONFIRMED_UNSETTLED = "confirmed without settlement"
    WRONG_FILL = "confirmed with another fill than the chain's"
    HISTORY_GAP = "gap in the history"
    HISTORY_ILLEGAL = "impossible history"
    GAP = "gap"
    OUT_OF_ORDER = "out of order"
    REPEAT = "repeat"
    NEVER_TOLD = "never told the end"
    WRONG_FRAME = "told something else than the history"
    FOREIGN = "told of another user's order"
    UNDELIVERED = "a user's status never told"
    LEFT_OPEN = "dead letter of an order that is open"
    PAST_LIMIT = "settled past its limit"
    FIRED_TWICE = "fired twice"
    FIRED_WRONGLY = "fired without its price or its launch"
    NOT_FIRED = "left resting at its price"
    EXPIRED_WRONGLY = "expired before its time, or long after it"
    SIGNED_LATE = "signed after its time"


@dataclass(frozen=True)
class Violation:
    """A broken promise; `detail` is a sentence."""

    kind: Kind
    order_id: str
    detail: str
