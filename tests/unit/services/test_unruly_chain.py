"""A second chain client, behind which stand nodes that lag: its answers come late, out of order and twice.

Whatever it does, an order settles at most once, and is confirmed if and only if it settled.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import pytest

from chalicelib.domain.errors import ErrorCode, OutcomeUnknown
from chalicelib.domain.order import Failure, Fill, Order, SignedTransaction
from chalicelib.domain.quotes import Route
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.chain import TransactionResult, TransactionStatus
from tests.fakes import FakeClock, Killed
from tests.fakes.chain import FakeChain
from tests.fakes.engine import VISIBILITY_SECONDS, At, Engine, die

BLOCK_SECONDS = 1
LIFETIME = 12
LONGEST_LAG = 25
SEEDS = range(150)


@dataclass(frozen=True)
class Landing:
    """When a transaction arrived and when its block was confirmed, and with what."""

    order_id: str
    arrived_at: datetime
    confirmed_at: datetime
    fill: Fill
    reverted: bool


@dataclass
class UnrulyChain:
    """`SwapBuilder` and `ChainClient`. A node tells what was true when it last heard, with the height of then."""

    clock: FakeClock
    chance: random.Random
    built: dict[bytes, tuple[Order, Route, SignedTransaction]] = field(default_factory=dict)
    under_way: list[tuple[datetime, bytes]] = field(default_factory=list)
    taken: dict[str, Landing] = field(default_factory=dict)
    sent: list[bytes] = field(default_factory=list)
    earlier: dict[str, TransactionResult] = field(default_factory=dict)
    soonest_confirmation: float = 0.0

    def build_swap(self, order: Order, route: Route, height: int) -> SignedTransaction:
        raw = f"{order.id} {len(self.built)}".encode()
        transaction = SignedTransaction(f"signature of {raw.decode()}", raw, height + LIFETIME)
        self.built[raw] = (order, route, transaction)
        return transaction

    def height(self) -> int:
        """That of a node which may be behind."""
        self._maybe_silent()
        return self.height_at(self.clock.now() - self._lag())

    def send(self, transaction: SignedTransaction) -> None:
        """It arrives now, later, or twice; the answer is lost at times."""
        self.sent.append(transaction.raw)
        for _ in range(self.chance.choice([1, 1, 2])):
            self.under_way.append((self.clock.in_seconds(self.chance.choice([0, 1, 5, 20])), transaction.raw))
        self._maybe_silent()

    def transaction_status(self, transaction: SignedTransaction) -> TransactionResult:
        """What some node knows; at times an answer that was given before, again."""
        self._maybe_silent()
        self._arrive()
        known = self.earlier.get(transaction.signature)
        if known is not None and self.chance.random() < 0.3:
            return known
        result = self.seen_at(transaction, self.clock.now() - self._lag())
        self.earlier[transaction.signature] = result
        return result

    def seen_at(self, transaction: SignedTransaction, moment: datetime) -> TransactionResult:
        """The truth of that moment."""
        height, landing = self.height_at(moment), self.taken.get(transaction.signature)
        if landing is None or moment < landing.arrived_at:
            return TransactionResult(TransactionStatus.UNKNOWN, height)
        if moment < landing.confirmed_at:
            return TransactionResult(TransactionStatus.PROCESSING, height)
        if landing.reverted:
            failure = Failure(ErrorCode.SLIPPAGE_EXCEEDED, "The price moved.", retryable=True)
            return TransactionResult(TransactionStatus.REVERTED, height, failure=failure)
        return TransactionResult(TransactionStatus.CONFIRMED, height, fill=landing.fill)

    def settlements(self, order_id: str) -> int:
        """How often the order's swap really happened, with all that is still under way."""
        self.clock.advance(60)
        self._arrive()
        return sum(landing.order_id == order_id and not landing.reverted for landing in self.taken.values())

    @staticmethod
    def height_at(moment: datetime) -> int:
        return int(moment.timestamp()) // BLOCK_SECONDS

    def _arrive(self) -> None:
        """Takes what has arrived by now, unless it arrived too late, is known, or got lost."""
        for moment, raw in sorted(self.under_way):
            if moment > self.clock.now():
                continue
            self.under_way.remove((moment, raw))
            order, route, transaction = self.built[raw]
            late = self.height_at(moment) > transaction.last_valid_height
            if late or transaction.signature in self.taken or self.chance.random() < 0.3:
                continue
            self.taken[transaction.signature] = Landing(
                order_id=order.id,
                arrived_at=moment,
                confirmed_at=moment + timedelta(seconds=self.chance.choice([1, 8])),
                fill=Fill(route.chosen.amount_in, route.minimum_output, route.chosen.fee),
                reverted=self.chance.random() < 0.2,
            )

    def _lag(self) -> timedelta:
        return timedelta(seconds=self.chance.choice([0, 0, 2, LONGEST_LAG]))

    def _maybe_silent(self) -> None:
        self.clock.sleep(self.chance.choice([0, 0.2]))
        if self.chance.random() < 0.1:
            raise OutcomeUnknown(ErrorCode.SUBMIT_TIMEOUT, "The chain took too long to answer.")


def executed(seed: int) -> tuple[Engine, UnrulyChain, str]:
    """An engine on such a chain after one order was delivered until it was done; some of its workers die."""
    engine, chance = Engine(), random.Random(seed)
    chain = UnrulyChain(engine.clock, chance)
    engine.chain = cast("FakeChain", chain)
    order_id = engine.place().id
    for _ in range(chance.randint(0, 3)):
        try:
            engine.run(order_id, engine.worker(fuse=At(chance.randint(1, 60), die)))
        except Killed:
            engine.clock.advance(VISIBILITY_SECONDS)
    engine.drive(order_id, deliveries=200)
    return engine, chain, order_id


@pytest.mark.parametrize("seed", SEEDS)
def test_an_order_settles_once_and_is_confirmed_only_if_it_did(seed: int) -> None:
    engine, chain, order_id = executed(seed)
    # Settled as often as it is confirmed; its fill is the chain's; nothing that was sent early lands late.
    engine.audit(order_id)
    stored = {transaction.raw for _, _, transaction in chain.built.values()}
    assert set(chain.sent) <= stored


def test_the_stories_are_of_every_kind() -> None:
    ends, sent_again, built_anew = set(), False, False
    for seed in SEEDS:
        engine, chain, order_id = executed(seed)
        ends.add(engine.order(order_id).status)
        sent_again |= len(chain.sent) > len(set(chain.sent))
        built_anew |= len(chain.built) > 1
    assert ends == {OrderStatus.CONFIRMED, OrderStatus.FAILED}
    assert sent_again
    assert built_anew


def test_a_height_from_another_node_than_the_status_would_settle_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that the chain is unruly enough: believing the newest height with an old status breaks the promise."""
    clocks: list[FakeClock] = []
    first = UnrulyChain.transaction_status

    def remember(self: UnrulyChain, transaction: SignedTransaction) -> TransactionResult:
        clocks[:] = [self.clock]
        return first(self, transaction)

    def credulous(self: TransactionResult, transaction: SignedTransaction) -> bool:
        newest = UnrulyChain.height_at(clocks[0].now())
        return self.status is TransactionStatus.UNKNOWN and newest > transaction.last_valid_height

    monkeypatch.setattr(UnrulyChain, "transaction_status", remember)
    monkeypatch.setattr(TransactionResult, "rules_out", credulous)
    broken = 0
    for seed in SEEDS:
        _, chain, order_id = executed(seed)
        broken += chain.settlements(order_id) > 1
    assert broken > 0
