"""A chain and who builds swaps for it, told how to treat each attempt."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from chalicelib.domain.errors import ErrorCode, OutcomeUnknown, Rejected, Retryable
from chalicelib.domain.order import Failure, Fill, Order, SignedTransaction
from chalicelib.domain.quotes import Route
from chalicelib.ports.chain import TransactionResult, TransactionStatus
from tests.fakes.clock import FakeClock

BLOCKS_PER_SECOND = 10


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


@dataclass(frozen=True)
class Built:
    """What the bytes of a transaction stand for."""

    order: Order
    route: Route
    transaction: SignedTransaction


@dataclass
class Taken:
    """A transaction that the chain has."""

    order_id: str
    attempt: int
    outcome: TransactionStatus
    lands_at: datetime
    fill: Fill


class FakeChain:
    """`SwapBuilder` and `ChainClient`: bytes land once or never, and never past their last valid height."""

    def __init__(self, clock: FakeClock, *, lifetime: int = 30, lands_in: float = 1) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._expired: set[str] = set()
        self._built: dict[bytes, Built] = {}
        self.lands_in = lands_in
        self.soonest_confirmation = 0.0
        self.behaviours: dict[int, Behaviour] = {}
        self.submissions: dict[str, int] = defaultdict(int)
        self.taken: dict[str, Taken] = {}
        self.signed: list[str] = []
        self.unanswered = 0
        self.without_height = 0
        self.on_sign: Callable[[Order], None] = lambda _: None
        self.on_send: Callable[[Order], None] = lambda _: None

    def build_swap(self, order: Order, route: Route, height: int) -> SignedTransaction:
        self._clock.sleep(1)
        behaviour = self._behaviour(order)
        if behaviour is Behaviour.REJECTED:
            raise Rejected(ErrorCode.INSUFFICIENT_LIQUIDITY, "The pool refuses the order for good.")
        if behaviour is Behaviour.CANNOT_BE_BUILT:
            raise Retryable(ErrorCode.NO_QUOTE, "The swap could not be built.")
        self.on_sign(order)
        # As on a real chain, building twice signs two transactions.
        signature = f"{order.id}/{order.attempt}/{route.chosen.venue}/{len(self.signed)}"
        self.signed.append(signature)
        last_valid_height = height + self._lifetime * BLOCKS_PER_SECOND - 1
        transaction = SignedTransaction(signature, f"bytes of {signature}".encode(), last_valid_height)
        self._built[transaction.raw] = Built(order, route, transaction)
        return transaction

    def height(self) -> int:
        if self.without_height > 0:
            self.without_height -= 1
            raise OutcomeUnknown(ErrorCode.SUBMIT_TIMEOUT, "The chain cannot be asked.")
        return self._height()

    def send(self, transaction: SignedTransaction) -> None:
        self._clock.sleep(1.5)
        built = self._built[transaction.raw]
        signature = built.transaction.signature
        self.on_send(built.order)
        self.submissions[signature] += 1
        behaviour = self._behaviour(built.order)
        if behaviour is Behaviour.REFUSED:
            raise Retryable(ErrorCode.NO_QUOTE, "The chain refuses the submission.")
        if self._height() > built.transaction.last_valid_height or signature in self._expired:
            raise Retryable(ErrorCode.TRANSACTION_EXPIRED, "The chain refused the transaction: it has expired.")
        dropped = behaviour is Behaviour.DROPPED or (
            behaviour is Behaviour.DROPPED_ONCE and self.submissions[signature] == 1
        )
        if not dropped and signature not in self.taken:
            self.taken[signature] = self._take(built, behaviour)
        if behaviour is Behaviour.ACCEPTED_BUT_TIMED_OUT:
            raise OutcomeUnknown(ErrorCode.SUBMIT_TIMEOUT, "The chain took too long to answer.")

    def transaction_status(self, transaction: SignedTransaction) -> TransactionResult:
        if self.unanswered > 0:
            self.unanswered -= 1
            raise OutcomeUnknown(ErrorCode.SUBMIT_TIMEOUT, "The chain cannot be asked.")
        taken = self.taken.get(transaction.signature)
        height = self._height()
        if taken is None:
            if height > transaction.last_valid_height:
                self._expired.add(transaction.signature)
            return TransactionResult(TransactionStatus.UNKNOWN, height)
        if self._clock.now() < taken.lands_at:
            return TransactionResult(TransactionStatus.PROCESSING, height)
        if taken.outcome is TransactionStatus.CONFIRMED:
            return TransactionResult(TransactionStatus.CONFIRMED, height, fill=taken.fill)
        final = self.behaviours.get(taken.attempt) is Behaviour.REVERTS_FOR_GOOD
        failure = Failure(ErrorCode.SLIPPAGE_EXCEEDED, "The price moved past the limit.", retryable=not final)
        return TransactionResult(TransactionStatus.REVERTED, height, failure=failure)

    def settlements(self, order_id: str) -> int:
        """How often the order's swap really happened."""
        settled = [taken for taken in self.taken.values() if taken.outcome is TransactionStatus.CONFIRMED]
        return sum(taken.order_id == order_id for taken in settled)

    def _height(self) -> int:
        return int(self._clock.now().timestamp() * BLOCKS_PER_SECOND)

    def _behaviour(self, order: Order) -> Behaviour:
        return self.behaviours.get(order.attempt, Behaviour.SETTLES)

    def _take(self, built: Built, behaviour: Behaviour) -> Taken:
        reverts = behaviour in (Behaviour.REVERTS, Behaviour.REVERTS_FOR_GOOD)
        chosen = built.route.chosen
        return Taken(
            order_id=built.order.id,
            attempt=built.order.attempt,
            outcome=TransactionStatus.REVERTED if reverts else TransactionStatus.CONFIRMED,
            lands_at=self._clock.in_seconds(self.lands_in),
            fill=Fill(chosen.amount_in, built.route.minimum_output, chosen.fee),
        )
