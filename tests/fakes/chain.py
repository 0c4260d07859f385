"""An exchange and its chain, told how to treat each attempt."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from chalicelib.domain.errors import ErrorCode, OutcomeUnknown, Rejected, Retryable
from chalicelib.domain.order import Failure, Fill, Order, SignedTransaction
from chalicelib.domain.quotes import Route
from chalicelib.services.ports import ChainAnswer, Landing
from tests.fakes.clock import FakeClock


class Behaviour(Enum):
    """What happens to an attempt's transaction."""

    SETTLES = auto()
    REVERTS = auto()
    REVERTS_FOR_GOOD = auto()
    DROPPED = auto()
    DROPPED_ONCE = auto()
    ACCEPTED_BUT_TIMED_OUT = auto()
    REFUSED = auto()
    CANNOT_BE_BUILT = auto()
    REJECTED = auto()


@dataclass
class Taken:
    """A transaction that the chain has."""

    order_id: str
    attempt: int
    outcome: Landing
    lands_at: datetime
    fill: Fill


class FakeExchange:
    """`Exchange`: a signature lands once or never, and never from its expiry on."""

    def __init__(self, clock: FakeClock, *, lifetime: float = 30, lands_in: float = 1) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._expired: set[str] = set()
        self.lands_in = lands_in
        self.behaviours: dict[int, Behaviour] = {}
        self.submissions: dict[str, int] = defaultdict(int)
        self.taken: dict[str, Taken] = {}
        self.signed: list[str] = []
        self.unanswered = 0
        self.on_sign: Callable[[Order], None] = lambda _: None
        self.on_submit: Callable[[Order], None] = lambda _: None

    def sign_swap(self, order: Order, route: Route) -> SignedTransaction:
        self._clock.sleep(1)
        behaviour = self._behaviour(order)
        if behaviour is Behaviour.REJECTED:
            raise Rejected(ErrorCode.INSUFFICIENT_LIQUIDITY, "The pool refuses the order for good.")
        if behaviour is Behaviour.CANNOT_BE_BUILT:
            raise Retryable(ErrorCode.NO_QUOTE, "The swap could not be built.")
        self.on_sign(order)
        signature = f"{order.id}/{order.attempt}/{route.chosen.venue}"
        self.signed.append(signature)
        return SignedTransaction(signature, self._clock.in_seconds(self._lifetime))

    def submit(self, order: Order, route: Route, transaction: SignedTransaction) -> None:
        self._clock.sleep(1.5)
        self.on_submit(order)
        signature = transaction.signature
        self.submissions[signature] += 1
        behaviour = self._behaviour(order)
        if behaviour is Behaviour.REFUSED:
            raise Retryable(ErrorCode.NO_QUOTE, "The chain refuses the submission.")
        if self._clock.now() >= transaction.expires_at or signature in self._expired:
            raise Retryable(ErrorCode.TRANSACTION_EXPIRED, "The chain refused the transaction: it has expired.")
        dropped = behaviour is Behaviour.DROPPED or (
            behaviour is Behaviour.DROPPED_ONCE and self.submissions[signature] == 1
        )
        if not dropped and signature not in self.taken:
            self.taken[signature] = self._take(order, route, behaviour)
        if behaviour is Behaviour.ACCEPTED_BUT_TIMED_OUT:
            raise OutcomeUnknown(ErrorCode.SUBMIT_TIMEOUT, "The chain took too long to answer.")

    def fate(self, transaction: SignedTransaction) -> ChainAnswer:
        if self.unanswered > 0:
            self.unanswered -= 1
            raise OutcomeUnknown(ErrorCode.SUBMIT_TIMEOUT, "The chain cannot be asked.")
        taken = self.taken.get(transaction.signature)
        if taken is None:
            if self._clock.now() < transaction.expires_at:
                return ChainAnswer(Landing.UNKNOWN)
            self._expired.add(transaction.signature)
            return ChainAnswer(Landing.EXPIRED)
        if self._clock.now() < taken.lands_at:
            return ChainAnswer(Landing.PROCESSING)
        if taken.outcome is Landing.CONFIRMED:
            return ChainAnswer(Landing.CONFIRMED, fill=taken.fill)
        final = self.behaviours.get(taken.attempt) is Behaviour.REVERTS_FOR_GOOD
        failure = Failure(ErrorCode.SLIPPAGE_EXCEEDED, "The price moved past the limit.", retryable=not final)
        return ChainAnswer(Landing.REVERTED, failure=failure)

    def settlements(self, order_id: str) -> int:
        """How often the order's swap really happened."""
        return sum(taken.outcome is Landing.CONFIRMED for taken in self.taken.values() if taken.order_id == order_id)

    def _behaviour(self, order: Order) -> Behaviour:
        return self.behaviours.get(order.attempt, Behaviour.SETTLES)

    def _take(self, order: Order, route: Route, behaviour: Behaviour) -> Taken:
        reverts = behaviour in (Behaviour.REVERTS, Behaviour.REVERTS_FOR_GOOD)
        return Taken(
            order_id=order.id,
            attempt=order.attempt,
            outcome=Landing.REVERTED if reverts else Landing.CONFIRMED,
            lands_at=self._clock.in_seconds(self.lands_in),
            fill=Fill(route.chosen.amount_in, route.minimum_output, route.chosen.fee),
        )
