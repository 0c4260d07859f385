"""What can go wrong with an order, as a tree. What only one use case can meet (`TooManyFollowers`) stands beside that.

EngineError
 ├─ InvalidOrder            a request that breaks a rule of ours: refused, nothing is written
 ├─ OrderNotFound           no order has this id
 ├─ TicketRefused           a stream ticket is missing, or does not hold: nothing is followed
 │   ├─ TicketOfAnotherOrder    it holds, for another order
 │   ├─ TicketOfOneOrder        it holds, for one order and not for all of a user's
 │   └─ TicketOfAnotherUser     it holds, for the orders of another user
 ├─ IdempotencyKeyReused    the key stands for another order
 ├─ ClientOrderIdTaken      the user already has an order with this client order id
 ├─ RateLimited             the user asked for more than one may in a minute
 ├─ TooManyOpenOrders       the user has as many open orders as one may
 ├─ NotCancellable          the order's transaction may be on its way, or the order is over
 ├─ NotAmendable            the order does not rest
 ├─ OrderChanged            the order has moved since its client looked
 ├─ TooManyRestingOrders    the user has as many resting orders as one may
 ├─ IllegalTransition       the state machine forbids the move: a defect, or a race that was lost
 ├─ Fenced                  another worker owns the order now: stop, write nothing
 ├─ VenueError              what a venue or its chain answered; says what to do next
 │   ├─ Rejected            final: trying again cannot help
 │   │   └─ PriceImpactTooHigh  every quote moves the market further than the trader accepts
 │   ├─ Retryable           nothing was executed: a new attempt may succeed
 │   │   └─ LimitNotMet     no quote is at the order's limit or better
 │   └─ OutcomeUnknown      it may or may not have been executed: ask the chain, never assume a failure
 └─ Unavailable             a dependency of ours (database, queue) cannot be reached right now
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction


class ErrorCode(StrEnum):
    """Stable, machine-readable reasons; documented in docs/errors.md."""

    INSUFFICIENT_LIQUIDITY = "insufficient_liquidity"
    AMOUNT_TOO_SMALL = "amount_too_small"
    PRICE_IMPACT_TOO_HIGH = "price_impact_too_high"
    NO_QUOTE = "no_quote"
    QUOTE_TIMEOUT = "quote_timeout"
    QUOTE_EXPIRED = "quote_expired"
    SLIPPAGE_EXCEEDED = "slippage_exceeded"
    TRANSACTION_EXPIRED = "transaction_expired"
    SUBMIT_TIMEOUT = "submit_timeout"
    PROCESSING_FAILED = "processing_failed"
    LIMIT_NOT_MET = "limit_not_met"
    LAUNCH_SKIPPED = "launch_skipped"
    NO_POOL = "no_pool"


class EngineError(Exception):
    """Base of the tree; http/problems.py has the answer to each that reaches a client."""


@dataclass(frozen=True, slots=True)
class InvalidField:
    """One field that breaks a rule: `field` as the client named it, `message` as a sentence for people."""

    field: str
    message: str


class InvalidOrder(EngineError):
    """A request that breaks a rule; carries every broken field at once."""

    def __init__(self, *fields: InvalidField) -> None:
        super().__init__("; ".join(f"{f.field}: {f.message}" for f in fields))
        self.fields = fields


class OrderNotFound(EngineError):
    """No order has this id."""

    def __init__(self, order_id: str) -> None:
        super().__init__(f"There is no order {order_id}.")
        self.order_id = order_id


class TicketRefused(EngineError):
    """No ticket, or one that does not hold; the text does not tell which."""

    def __init__(self, message: str = "Send a valid stream ticket, which no access token is") -> None:
        super().__init__(f"{message}: POST /api/stream-tickets makes one, good for five minutes.")


class TicketOfAnotherOrder(TicketRefused):
    """The ticket holds, for another order."""

    def __init__(self) -> None:
        super().__init__("The ticket is for another order")


class TicketOfOneOrder(TicketRefused):
    """The ticket holds, for an order and not for all of a user's."""

    def __init__(self) -> None:
        super().__init__("The ticket is for one order, and userId needs one that was asked for without orderId")


class TicketOfAnotherUser(TicketRefused):
    """The ticket holds, for the orders of another user than the one that is named."""

    def __init__(self) -> None:
        super().__init__("The ticket is of another user than userId")


class IdempotencyKeyReused(EngineError):
    """The idempotency key stands for another order."""


class ClientOrderIdTaken(EngineError):
    """The user already has an order with this client order id."""

    def __init__(self, order_id: str) -> None:
        super().__init__(f"The clientOrderId belongs to order {order_id} already.")
        self.order_id = order_id


class RateLimited(EngineError):
    """More than one user may ask for in a minute; something is left again in `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"You asked for more than one may in a minute: try again in {retry_after} s.")
        self.retry_after = retry_after


class TooManyOpenOrders(EngineError):
    """As many orders of the user are open as one may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} open orders, as many as one may: wait until one is over, or cancel one.")


class NotCancellable(EngineError):
    """Too late to cancel: `status` is where the order stands."""

    def __init__(self, order_id: str, status: str) -> None:
        super().__init__(f"Order {order_id} can no longer be cancelled: it is {status}.")
        self.order_id = order_id
        self.status = status


class NotAmendable(EngineError):
    """Only a resting order can be changed: `status` is where the order stands."""

    def __init__(self, order_id: str, status: str) -> None:
        super().__init__(f"Order {order_id} can not be changed: it is {status}, and only resting orders can be.")
        self.order_id = order_id
        self.status = status


class OrderChanged(EngineError):
    """The order is not as its client believes: its newest event is another one."""

    def __init__(self, order_id: str, status: str, sequence: int) -> None:
        super().__init__(f"Order {order_id} has moved on: its newest sequence is {sequence}. Look at it again.")
        self.order_id = order_id
        self.status = status


class TooManyRestingOrders(EngineError):
    """The user has as many resting orders as one may."""

    def __init__(self, most: int) -> None:
        super().__init__(f"A user may have {most} resting orders: cancel one, or wait until one has ended.")


class IllegalTransition(EngineError):
    """The transition table has no entry for this state and trigger."""


class Fenced(EngineError):
    """The lease went to another worker, or the order was cancelled: whoever sees this writes nothing more."""


class Unavailable(EngineError):
    """A dependency of ours cannot be reached; the same call may succeed later."""


class VenueError(EngineError):
    """What a venue or its chain answered; `code` is stable, `message` is for people."""

    retryable = False

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Rejected(VenueError):
    """Final: the same order will be refused again."""


class PriceImpactTooHigh(Rejected):
    """Every quote moves the market further than the trader accepts; `impact_pct` is the least that was found."""

    def __init__(self, message: str, impact_pct: Decimal) -> None:
        super().__init__(ErrorCode.PRICE_IMPACT_TOO_HIGH, message)
        self.impact_pct = impact_pct


class Retryable(VenueError):
    """Nothing was executed; a new attempt may succeed."""

    retryable = True


class LimitNotMet(Retryable):
    """No quote is at the limit or better; `best` is the best price among them, output per input in base units."""

    def __init__(self, message: str, best: Fraction) -> None:
        super().__init__(ErrorCode.LIMIT_NOT_MET, message)
        self.best = best


class OutcomeUnknown(VenueError):
    """It may have been executed: ask the chain about the signature before doing anything else."""

    retryable = True
