"""The simulated venues' quotes."""

import itertools
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from chalicelib.config import Fault
from chalicelib.domain.amounts import MAX_BASE_UNITS
from chalicelib.domain.errors import ErrorCode, Rejected, Retryable, VenueError
from chalicelib.domain.quotes import Quote, QuoteRequest, Side, Venue
from chalicelib.domain.tokens import BONK, REGISTRY, SOL, USDC, Token
from chalicelib.venues.simulated import BIN_STEP, SimulatedVenue, nearest_bin
from chalicelib.venues.simulation import REFERENCE_USD, depth, reference_price
from tests.fakes import FakeClock
from tests.fakes.market import a_market

PAIRS = [(one, other) for one, other in itertools.permutations(REGISTRY, 2) if one.mint != other.mint]
ONE_SOL = QuoteRequest(SOL, USDC, Side.SELL, 1_000_000_000, "ord_1:1")


def venues(**settings: float) -> list[SimulatedVenue]:
    market = a_market(FakeClock(), delay_scale=0, faults={Fault(name): rate for name, rate in settings.items()})
    return [SimulatedVenue(venue, market) for venue in Venue]


def a_request(pair: tuple[Token, Token], side: Side, dollars: int, seed: str) -> QuoteRequest:
    counted = pair[0] if side is Side.SELL else pair[1]
    amount = int((Decimal(dollars) / REFERENCE_USD[counted.symbol]).scaleb(counted.decimals))
    return QuoteRequest(*pair, side, amount, seed)


def rate(quote: Quote) -> Fraction:
    return Fraction(quote.amount_out, quote.amount_in)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("dollars", [10, 500, 20_000])
def test_the_venues_differ_by_two_to_five_percent_after_fees(side: Side, dollars: int) -> None:
    asked = venues()
    for number, pair in enumerate(PAIRS * 2):
        request = a_request(pair, side, dollars, f"ord_{dollars}{number}:1")
        low, high = sorted(rate(venue.quote(request)) for venue in asked)
        assert Fraction(2, 100) <= high / low - 1 <= Fraction(5, 100), request


def test_either_venue_wins_about_as_often() -> None:
    asked = venues()
    winners = Counter(
        max(asked, key=lambda venue: rate(venue.quote(request))).venue
        for request in (replace(ONE_SOL, seed=f"ord_{number}:1") for number in range(400))
    )
    assert all(140 <= winners[venue] <= 260 for venue in Venue)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_every_pair_trades_near_its_market_price(pair: tuple[Token, Token]) -> None:
    for venue, side in itertools.product(venues(), Side):
        quote = venue.quote(a_request(pair, side, 100, "seed"))
        assert abs(rate(quote) / Fraction(reference_price(*pair)) - 1) < Fraction(4, 100)


@pytest.mark.parametrize("venue", Venue)
@pytest.mark.parametrize("side", Side)
def test_the_same_seed_gives_the_same_quote(venue: Venue, side: Side) -> None:
    request = replace(ONE_SOL, side=side)
    one, again = (SimulatedVenue(venue, a_market(FakeClock())).quote(request) for _ in range(2))
    assert one == again
    others = {SimulatedVenue(venue, a_market(FakeClock())).quote(replace(request, seed=str(n))) for n in range(20)}
    assert len(others) > 10


def test_a_quote_answers_the_question() -> None:
    for venue in venues():
        sold = venue.quote(ONE_SOL)
        assert (sold.venue, sold.amount_in) == (venue.venue, ONE_SOL.amount)
        assert 0 < sold.fee < sold.amount_in // 100
        bought = venue.quote(replace(ONE_SOL, side=Side.BUY, amount=165_000_000))
        assert bought.amount_out == 165_000_000
        assert (sold.expires_at - FakeClock().now()).total_seconds() == 30


@pytest.mark.parametrize("venue", Venue)
def test_a_quote_takes_about_200_ms_and_with_scale_0_no_time(venue: Venue) -> None:
    real, instant = FakeClock(), FakeClock()
    for number in range(20):
        SimulatedVenue(venue, a_market(real)).quote(replace(ONE_SOL, seed=str(number)))
        SimulatedVenue(venue, a_market(instant, delay_scale=0)).quote(replace(ONE_SOL, seed=str(number)))
    assert all(0.15 <= seconds <= 0.25 for seconds in real.slept)
    assert len(set(real.slept)) == 20
    assert set(instant.slept) == {0}


@pytest.mark.parametrize("venue", venues(quote_error=1), ids=lambda venue: venue.venue)
def test_a_quote_error(venue: SimulatedVenue) -> None:
    with pytest.raises(Retryable) as caught:
        venue.quote(ONE_SOL)
    assert caught.value.code is ErrorCode.NO_QUOTE


def test_a_quote_that_times_out_comes_after_the_routers_patience() -> None:
    from chalicelib.venues.router import QUOTE_DEADLINE_SECONDS

    clock = FakeClock()
    venue = SimulatedVenue(Venue.RAYDIUM, a_market(clock, faults={Fault.QUOTE_TIMEOUT: 1}))
    with pytest.raises(Retryable) as caught:
        venue.quote(ONE_SOL)
    assert caught.value.code is ErrorCode.QUOTE_TIMEOUT
    assert sum(clock.slept) > QUOTE_DEADLINE_SECONDS


def test_a_fault_strikes_as_often_as_its_rate_says_and_venue_by_venue() -> None:
    struck = Counter[str]()
    for number, venue in itertools.product(range(500), venues(quote_error=0.3)):
        try:
            venue.quote(replace(ONE_SOL, seed=f"ord_{number}:1"))
        except VenueError:
            struck[venue.venue] += 1
    assert all(100 <= struck[venue] <= 200 for venue in Venue)
    assert struck[Venue.RAYDIUM] != struck[Venue.METEORA]


@pytest.mark.parametrize("side", Side)
def test_more_than_the_pool_holds_is_rejected_for_good(side: Side) -> None:
    for venue in venues():
        request = QuoteRequest(SOL, USDC, side, MAX_BASE_UNITS, "seed")
        if side is Side.SELL and venue.venue is Venue.RAYDIUM:
            assert venue.quote(request).price_impact_pct > 99
            continue
        with pytest.raises(Rejected) as caught:
            venue.quote(request)
        assert caught.value.code is ErrorCode.INSUFFICIENT_LIQUIDITY


@pytest.mark.parametrize("venue", venues(), ids=lambda venue: venue.venue)
def test_up_to_the_largest_purchase_everything_fits_64_bits_and_past_it_all_is_rejected(venue: SimulatedVenue) -> None:
    def paid(amount: int) -> int | None:
        try:
            return venue.quote(QuoteRequest(BONK, USDC, Side.BUY, amount, "seed")).amount_in
        except Rejected:
            return None

    largest, refused = 1, 2 * depth(USDC)
    while refused - largest > 1:
        middle = (largest + refused) // 2
        if paid(middle) is None:
            refused = middle
        else:
            largest = middle
    with pytest.raises(Rejected) as caught:
        venue.quote(QuoteRequest(BONK, USDC, Side.BUY, refused, "seed"))
    assert caught.value.code is ErrorCode.INSUFFICIENT_LIQUIDITY
    most = paid(largest)
    assert most is not None
    assert MAX_BASE_UNITS // 1000 < most <= MAX_BASE_UNITS


@pytest.mark.parametrize("venue", venues(), ids=lambda venue: venue.venue)
def test_a_crumb_is_rejected_for_good(venue: SimulatedVenue) -> None:
    with pytest.raises(Rejected, match="too small to get any USDC") as caught:
        venue.quote(replace(ONE_SOL, amount=1))
    assert caught.value.code is ErrorCode.AMOUNT_TOO_SMALL


def test_any_amount_of_any_pair_gets_a_quote_or_a_venue_error() -> None:
    amounts = [1, 2, 10**3, 10**6, 10**9, 10**12, 10**15, 10**18, MAX_BASE_UNITS]
    for venue, pair, side, amount in itertools.product(venues(), PAIRS, Side, amounts):
        try:
            quote = venue.quote(QuoteRequest(*pair, side, amount, "seed"))
        except VenueError:
            continue
        assert 0 < quote.amount_in <= MAX_BASE_UNITS
        assert 0 < quote.amount_out <= MAX_BASE_UNITS
        assert 0 <= quote.fee < quote.amount_in


@pytest.mark.parametrize("number", [-8000, -1, 0, 1, 5108, 8000])
def test_the_nearest_bin(number: int) -> None:
    price = Decimal(10_000 + BIN_STEP) / 10_000
    assert nearest_bin(price**number) == number
    assert nearest_bin(price**number * Decimal("1.0004")) == number
