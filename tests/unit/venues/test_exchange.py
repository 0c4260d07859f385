"""Building, submitting and following swaps on the simulated chain."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import Fault
from chalicelib.domain.errors import ErrorCode, OutcomeUnknown, Retryable
from chalicelib.domain.order import Order, SignedTransaction
from chalicelib.domain.quotes import Quote, Route, Side, Venue
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.ports import ChainAnswer, Landing
from chalicelib.venues.exchange import BASE58, SimulatedExchange, signature_of
from tests.fakes import FakeClock, MemoryLedger, a_quote, a_route, an_order
from tests.fakes.market import a_market


class Chain:
    """A simulated exchange with a clock of its own."""

    def __init__(self, *, delay_scale: float = 1, lifetime: float = 30, **faults: float) -> None:
        self.clock = FakeClock()
        self.ledger = MemoryLedger(self.clock)
        rates = {Fault(name): rate for name, rate in faults.items()}
        market = a_market(self.clock, delay_scale=delay_scale, lifetime=lifetime, faults=rates)
        self.exchange = SimulatedExchange(market, self.ledger)

    def sign(self, order: Order) -> SignedTransaction:
        return self.exchange.sign_swap(order, route_of(order))

    def submit(self, order: Order, transaction: SignedTransaction) -> None:
        self.exchange.submit(order, route_of(order), transaction)

    def fate(self, transaction: SignedTransaction) -> ChainAnswer:
        return self.exchange.fate(transaction)

    def wait_for(self, landing: Landing, transaction: SignedTransaction, seconds: int) -> ChainAnswer:
        """The chain's answer once it is this; asks every second."""
        for _ in range(seconds):
            answer = self.fate(transaction)
            if answer.landing is landing:
                return answer
            self.clock.advance(1)
        raise AssertionError(f"The transaction is not {landing} after {seconds} s.")


def route_of(order: Order) -> Route:
    assert order.route is not None
    return order.route


def built(side: Side = Side.SELL, *, slippage_bps: int = 50, quote: Quote | None = None, attempt: int = 1) -> Order:
    order = an_order(OrderStatus.BUILDING, side=side, slippage_bps=slippage_bps, attempt=attempt)
    if quote is None:
        return order
    request = replace(order, amount=quote.amount_in if side is Side.SELL else quote.amount_out)
    return replace(request, route=a_route(request, quote))


def test_a_swap_settles_within_its_limits() -> None:
    chain, order = Chain(), built()
    transaction = chain.sign(order)
    assert chain.fate(transaction).landing is Landing.UNKNOWN
    chain.submit(order, transaction)
    assert chain.fate(transaction).landing is Landing.PROCESSING
    answer = chain.wait_for(Landing.CONFIRMED, transaction, 3)
    assert answer.fill is not None
    assert answer.fill.amount_in == order.amount
    assert route_of(order).minimum_output <= answer.fill.amount_out <= route_of(order).chosen.amount_out


def test_building_and_settling_take_two_to_three_seconds_a_confirmation_about_one() -> None:
    for number in range(20):
        chain, order = Chain(), replace(built(), id=f"ord_{number:032x}")
        transaction = chain.sign(order)
        chain.submit(order, transaction)
        assert 2 <= sum(chain.clock.slept) <= 3
        lands = chain.ledger.known[transaction.signature].lands_at - chain.clock.now()
        assert timedelta(seconds=0.8) <= lands <= timedelta(seconds=1.2)


def test_with_delay_scale_0_nothing_takes_time() -> None:
    chain, order = Chain(delay_scale=0), built()
    transaction = chain.sign(order)
    chain.submit(order, transaction)
    assert chain.fate(transaction).landing is Landing.CONFIRMED
    assert set(chain.clock.slept) == {0}


def test_a_signature_looks_as_on_solana_and_belongs_to_one_attempt() -> None:
    order = built()
    signature = signature_of(order, route_of(order))
    assert 80 <= len(signature) <= 88
    assert set(signature) <= set(BASE58)
    assert signature == signature_of(order, route_of(order))
    another_route = a_route(order, a_quote(Venue.METEORA, amount_out=1))
    others = {
        signature_of(replace(order, attempt=2), route_of(order)),
        signature_of(replace(order, id=built().id), route_of(order)),
        signature_of(order, another_route),
    }
    assert len(others | {signature}) == 4


def test_building_twice_signs_one_swap() -> None:
    chain, order = Chain(), built()
    first, second = chain.sign(order), chain.sign(order)
    assert first.signature == second.signature
    assert first.expires_at < second.expires_at


def test_the_lifetime_is_a_setting() -> None:
    chain = Chain(lifetime=7)
    transaction = chain.sign(built())
    assert transaction.expires_at == chain.clock.now() + timedelta(seconds=7)


@pytest.mark.parametrize("times", [2, 5])
def test_submitting_again_settles_once(times: int) -> None:
    chain, order = Chain(), built()
    transaction = chain.sign(order)
    for _ in range(times):
        chain.submit(order, transaction)
    chain.wait_for(Landing.CONFIRMED, transaction, 5)
    assert len(chain.ledger.settled()) == 1
    assert chain.ledger.known[transaction.signature].submissions == times


def test_from_the_expiry_on_the_chain_refuses() -> None:
    chain, order = Chain(), built()
    transaction = chain.sign(order)
    chain.clock.advance(30)
    assert chain.fate(transaction).landing is Landing.EXPIRED
    with pytest.raises(Retryable) as caught:
        chain.submit(order, transaction)
    assert caught.value.code is ErrorCode.TRANSACTION_EXPIRED
    assert chain.ledger.settled() == []
    assert chain.fate(transaction).landing is Landing.EXPIRED


def test_a_submit_that_outlasts_the_expiry_is_refused() -> None:
    chain, order = Chain(), built()
    transaction = chain.sign(order)
    chain.clock.advance(29)
    with pytest.raises(Retryable):
        chain.submit(order, transaction)
    assert chain.ledger.known == {}


def test_what_was_taken_before_its_expiry_lands_after_it() -> None:
    chain, order = Chain(slow=1), built()
    transaction = chain.sign(order)
    chain.clock.advance(25)
    chain.submit(order, transaction)
    chain.clock.advance(4)
    assert chain.clock.now() > transaction.expires_at
    assert chain.fate(transaction).landing is Landing.PROCESSING
    chain.wait_for(Landing.CONFIRMED, transaction, 10)


def test_dropped_is_unknown_until_it_expires() -> None:
    chain, order = Chain(dropped=1), built()
    transaction = chain.sign(order)
    for _ in range(3):
        chain.submit(order, transaction)
        assert chain.fate(transaction).landing is Landing.UNKNOWN
    chain.clock.advance(30)
    assert chain.fate(transaction).landing is Landing.EXPIRED
    assert chain.ledger.settled() == []


def test_dropped_once_lands_when_it_is_sent_again() -> None:
    chain, order = Chain(dropped_once=1), built()
    transaction = chain.sign(order)
    chain.submit(order, transaction)
    chain.clock.advance(10)
    assert chain.fate(transaction).landing is Landing.UNKNOWN
    chain.submit(order, transaction)
    assert chain.fate(transaction).landing is Landing.PROCESSING
    chain.wait_for(Landing.CONFIRMED, transaction, 3)
    assert len(chain.ledger.settled()) == 1


def test_accepted_but_timed_out_settles_all_the_same() -> None:
    chain, order = Chain(submit_timeout=1), built()
    transaction = chain.sign(order)
    with pytest.raises(OutcomeUnknown) as caught:
        chain.submit(order, transaction)
    assert caught.value.code is ErrorCode.SUBMIT_TIMEOUT
    chain.wait_for(Landing.CONFIRMED, transaction, 3)
    assert len(chain.ledger.settled()) == 1


def test_slow_takes_several_times_as_long() -> None:
    chain, order = Chain(slow=1), built()
    transaction = chain.sign(order)
    chain.submit(order, transaction)
    chain.clock.advance(6)
    assert chain.fate(transaction).landing is Landing.PROCESSING
    chain.wait_for(Landing.CONFIRMED, transaction, 5)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("slippage_bps", [0, 50, 5000])
def test_a_price_past_the_slippage_reverts(side: Side, slippage_bps: int) -> None:
    chain, order = Chain(price_move=1), built(side, slippage_bps=slippage_bps)
    transaction = chain.sign(order)
    chain.submit(order, transaction)
    answer = chain.wait_for(Landing.REVERTED, transaction, 3)
    assert answer.fill is None
    assert answer.failure is not None
    assert (answer.failure.code, answer.failure.retryable) == (ErrorCode.SLIPPAGE_EXCEEDED, True)
    assert ("minimumOutput" if side is Side.SELL else "maximumInput") in answer.failure.message
    assert chain.ledger.settled() == []


@pytest.mark.parametrize("side", Side)
def test_a_fill_exactly_at_the_limit_settles(side: Side) -> None:
    """Without any slippage the limit is the quote itself."""
    chain, order = Chain(), built(side, slippage_bps=0)
    transaction = chain.sign(order)
    chain.submit(order, transaction)
    fill = chain.wait_for(Landing.CONFIRMED, transaction, 3).fill
    assert fill is not None
    assert (fill.amount_in, fill.amount_out) == (route_of(order).maximum_input, route_of(order).minimum_output)


quantities = st.one_of(st.integers(1, 300), st.integers(1, 2**64 - 1))


@given(st.sampled_from(Side), quantities, quantities, st.integers(0, 5000), st.integers(1, 3), st.booleans())
def test_no_settled_fill_is_ever_outside_its_limits(
    side: Side, amount_in: int, amount_out: int, slippage_bps: int, attempt: int, moves: bool
) -> None:
    chain = Chain(delay_scale=0, price_move=float(moves))
    quote = a_quote(amount_in=amount_in, amount_out=amount_out, fee=0)
    order = built(side, slippage_bps=slippage_bps, quote=quote, attempt=attempt)
    transaction = chain.sign(order)
    chain.submit(order, transaction)
    for fill in chain.ledger.settled():
        assert fill.amount_out >= route_of(order).minimum_output
        assert fill.amount_in <= route_of(order).maximum_input
        exact = fill.amount_in if side is Side.SELL else fill.amount_out
        assert exact == order.amount
    if not moves and amount_out > 1_000:
        # What usually happens between quote and block is within any slippage, down to none; all but of dust remains.
        assert len(chain.ledger.settled()) == 1


def test_the_same_order_fills_alike_every_time() -> None:
    order = built()

    def fill_of(make: Callable[[], Chain]) -> object:
        chain = make()
        chain.submit(order, chain.sign(order))
        return chain.ledger.settled()

    assert fill_of(Chain) == fill_of(Chain)
