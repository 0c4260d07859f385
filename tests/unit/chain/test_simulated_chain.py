"""Sending signed bytes to the simulated chain, and what it tells of them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.chain.ledger import Outcome
from chalicelib.chain.simulated import SimulatedChain
from chalicelib.chain.transactions import BASE58, SimulatedSwap, read, sign, signature_of
from chalicelib.config import Fault
from chalicelib.domain.errors import ErrorCode, OutcomeUnknown, Retryable
from chalicelib.domain.order import Fill, SignedTransaction
from chalicelib.ports.chain import TransactionResult, TransactionStatus
from tests.fakes import FakeClock, MemoryLedger
from tests.fakes.market import a_market

FILL = Fill(1_000_000_000, 165_000_000, 2_500_000)
# 30 s of blocks of 400 ms.
LIFETIME = 75


class Chain:
    """A simulated chain with a clock of its own."""

    def __init__(self, *, delay_scale: float = 1, **faults: float) -> None:
        self.clock = FakeClock()
        self.ledger = MemoryLedger(self.clock)
        rates = {Fault(name): rate for name, rate in faults.items()}
        self.client = SimulatedChain(a_market(self.clock, delay_scale=delay_scale, faults=rates), self.ledger)

    def signed(self, *, attempt: int = 1, refusal: str | None = None, order_id: str = "ord_1") -> SignedTransaction:
        """A transaction that is good for 30 s from now."""
        return sign(
            SimulatedSwap(
                order_id=order_id,
                attempt=attempt,
                venue="orca",
                fill=FILL,
                refusal=refusal,
                last_valid_height=self.client.height() + LIFETIME,
            )
        )

    def status(self, transaction: SignedTransaction) -> TransactionStatus:
        return self.client.transaction_status(transaction).status

    def wait_for(self, status: TransactionStatus, transaction: SignedTransaction, seconds: int) -> TransactionResult:
        """The chain's answer once it is this; asks every second."""
        for _ in range(seconds):
            result = self.client.transaction_status(transaction)
            if result.status is status:
                return result
            self.clock.advance(1)
        raise AssertionError(f"The transaction is not {status} after {seconds} s.")


def test_a_swap_settles_with_what_its_bytes_say() -> None:
    chain = Chain()
    transaction = chain.signed()
    assert chain.status(transaction) is TransactionStatus.UNKNOWN
    chain.client.send(transaction)
    assert chain.status(transaction) is TransactionStatus.PROCESSING
    result = chain.wait_for(TransactionStatus.CONFIRMED, transaction, 3)
    assert (result.fill, result.height) == (FILL, chain.client.height())
    entry = chain.ledger.known[transaction.signature].entry
    assert (entry.order_id, entry.attempt) == ("ord_1", 1)


def test_settling_takes_about_one_and_a_half_seconds_a_confirmation_about_one() -> None:
    for number in range(20):
        chain = Chain()
        transaction = chain.signed(order_id=f"ord_{number}")
        chain.client.send(transaction)
        assert 1.2 <= sum(chain.clock.slept) <= 1.8
        lands = chain.ledger.known[transaction.signature].lands_at - chain.clock.now()
        assert timedelta(seconds=0.8) <= lands <= timedelta(seconds=1.2)


def test_with_delay_scale_0_nothing_takes_time() -> None:
    chain = Chain(delay_scale=0)
    transaction = chain.signed()
    chain.client.send(transaction)
    assert chain.status(transaction) is TransactionStatus.CONFIRMED
    assert set(chain.clock.slept) == {0}


def test_the_height_is_the_chains_and_grows_every_400_ms() -> None:
    chain = Chain()
    start = chain.client.height()
    chain.clock.advance(0.399)
    assert chain.client.height() == start
    chain.clock.advance(0.001)
    assert chain.client.height() == start + 1
    assert chain.client.transaction_status(chain.signed()).height == start + 1


def test_bytes_hold_the_whole_swap_and_the_signature_is_theirs_alone() -> None:
    swap = SimulatedSwap(
        order_id="ord_1", attempt=2, venue="orca", fill=FILL, refusal="Because.", last_valid_height=2**40
    )
    transaction = sign(swap)
    assert read(transaction.raw) == swap
    assert transaction.signature == signature_of(transaction.raw)
    assert transaction == sign(swap)
    assert 80 <= len(transaction.signature) <= 88
    assert set(transaction.signature) <= set(BASE58)
    others = [
        replace(swap, attempt=3),
        replace(swap, order_id="ord_2"),
        replace(swap, venue="raydium"),
        replace(swap, fill=replace(FILL, fee=1)),
        replace(swap, refusal=None),
        replace(swap, last_valid_height=2**40 + 1),
        replace(swap, fires=2),
    ]
    assert len({sign(other).signature for other in others} | {transaction.signature}) == 8
    assert [read(sign(other).raw) for other in others] == others
    # The first firing's are those of an order that never rested.
    assert sign(replace(swap, fires=1)) == transaction


@pytest.mark.parametrize("times", [2, 5])
def test_sending_again_settles_once(times: int) -> None:
    chain = Chain()
    transaction = chain.signed()
    for _ in range(times):
        chain.client.send(transaction)
    chain.wait_for(TransactionStatus.CONFIRMED, transaction, 5)
    assert len(chain.ledger.settled()) == 1
    assert chain.ledger.known[transaction.signature].submissions == times


def test_past_the_last_valid_height_the_chain_refuses_and_rules_out() -> None:
    chain = Chain(delay_scale=0)
    transaction = chain.signed()
    chain.clock.advance(30.3)
    assert not chain.client.transaction_status(transaction).rules_out(transaction)
    chain.clock.advance(0.1)
    assert chain.client.transaction_status(transaction).rules_out(transaction)
    with pytest.raises(Retryable) as caught:
        chain.client.send(transaction)
    assert caught.value.code is ErrorCode.TRANSACTION_EXPIRED
    assert chain.ledger.settled() == []
    assert chain.client.transaction_status(transaction).rules_out(transaction)


def test_in_its_last_valid_block_it_is_still_taken() -> None:
    chain = Chain(delay_scale=0)
    transaction = chain.signed()
    chain.clock.advance(30.3)
    chain.client.send(transaction)
    assert chain.status(transaction) is TransactionStatus.CONFIRMED


def test_what_was_taken_in_time_lands_past_the_height() -> None:
    chain = Chain(slow=1)
    transaction = chain.signed()
    chain.clock.advance(25)
    chain.client.send(transaction)
    chain.clock.advance(5)
    result = chain.client.transaction_status(transaction)
    assert result.height > transaction.last_valid_height
    assert result.status is TransactionStatus.PROCESSING
    assert not result.rules_out(transaction)
    chain.wait_for(TransactionStatus.CONFIRMED, transaction, 10)


def test_dropped_is_unknown_until_it_is_ruled_out() -> None:
    chain = Chain(dropped=1)
    transaction = chain.signed()
    for _ in range(3):
        chain.client.send(transaction)
        assert chain.status(transaction) is TransactionStatus.UNKNOWN
    assert not chain.client.transaction_status(transaction).rules_out(transaction)
    chain.clock.advance(31)
    assert chain.client.transaction_status(transaction).rules_out(transaction)
    assert chain.ledger.settled() == []


def test_dropped_once_lands_when_it_is_sent_again() -> None:
    chain = Chain(dropped_once=1)
    transaction = chain.signed()
    chain.client.send(transaction)
    chain.clock.advance(10)
    assert chain.status(transaction) is TransactionStatus.UNKNOWN
    chain.client.send(transaction)
    assert chain.status(transaction) is TransactionStatus.PROCESSING
    chain.wait_for(TransactionStatus.CONFIRMED, transaction, 3)
    assert len(chain.ledger.settled()) == 1


def test_accepted_but_timed_out_settles_all_the_same() -> None:
    chain = Chain(submit_timeout=1)
    transaction = chain.signed()
    with pytest.raises(OutcomeUnknown) as caught:
        chain.client.send(transaction)
    assert caught.value.code is ErrorCode.SUBMIT_TIMEOUT
    chain.wait_for(TransactionStatus.CONFIRMED, transaction, 3)
    assert len(chain.ledger.settled()) == 1


def test_slow_takes_several_times_as_long() -> None:
    chain = Chain(slow=1)
    transaction = chain.signed()
    chain.client.send(transaction)
    chain.clock.advance(6)
    assert chain.status(transaction) is TransactionStatus.PROCESSING
    chain.wait_for(TransactionStatus.CONFIRMED, transaction, 5)


def test_what_the_program_refuses_is_reverted_with_its_reason() -> None:
    chain = Chain()
    transaction = chain.signed(refusal="The price moved.")
    chain.client.send(transaction)
    result = chain.wait_for(TransactionStatus.REVERTED, transaction, 3)
    failure = result.failure
    assert result.height == chain.client.height()
    assert failure is not None
    assert (failure.code, failure.message, failure.retryable) == (
        ErrorCode.SLIPPAGE_EXCEEDED,
        "The price moved.",
        True,
    )
    assert chain.ledger.settled() == []


@pytest.mark.parametrize("fault", ["dropped", "dropped_once", "slow", "submit_timeout"])
def test_a_fault_that_comes_at_times_comes_to_some_attempts_and_not_to_all(fault: str) -> None:
    chain = Chain(**{fault: 0.5})
    unanswered: list[bool] = []
    for number in range(40):
        transaction = chain.signed(order_id=f"ord_{number}")
        try:
            chain.client.send(transaction)
        except OutcomeUnknown:
            unanswered.append(True)
    known = chain.ledger.known.values()
    hit = {
        "dropped": sum(each.entry.outcome is Outcome.DROPPED for each in known),
        "dropped_once": sum(each.entry.dropped_once for each in known),
        "slow": sum(each.entry.lands_in > 2 for each in known),
        "submit_timeout": len(unanswered),
    }
    assert {name for name, times in hit.items() if times} == {fault}
    assert 8 < hit[fault] < 32
    assert len({each.entry.lands_in for each in known}) == len(set(chain.clock.slept)) == 40
