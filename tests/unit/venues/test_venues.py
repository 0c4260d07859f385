"""The simulated venues: their quotes, and the swaps that they build."""

import itertools
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.chain.transactions import SimulatedSwap, read
from chalicelib.config import Fault
from chalicelib.domain.amounts import MAX_BASE_UNITS
from chalicelib.domain.errors import ErrorCode, Rejected, Retryable, VenueError
from chalicelib.domain.order import Order
from chalicelib.domain.quotes import VENUES, Quote, QuoteRequest, Side, Venue, choose_route
from chalicelib.domain.tokens import BONK, REGISTRY, SOL, USDC, Token
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.venues import VenueConnector
from chalicelib.simulation.prices import REFERENCE_USD, Prices, depth
from chalicelib.venues import raydium
from chalicelib.venues.meteora import BIN_STEP, nearest_bin
from chalicelib.venues.raydium import TRADE_FEE_RATE
from tests.fakes import FakeClock, an_order
from tests.fakes.builders import METEORA, RAYDIUM
from tests.fakes.clock import START
from tests.fakes.market import a_market

PAIRS = [(one, other) for one, other in itertools.permutations(REGISTRY, 2) if one.mint != other.mint]
ONE_SOL = QuoteRequest(SOL, USDC, Side.SELL, 1_000_000_000, "ord_1:1")
ROOM = Path(raydium.__file__).parent


def a_venue(
    name: Venue, *, clock: FakeClock | None = None, delay_scale: float = 0, lifetime: float = 30, **faults: float
) -> VenueConnector:
    rates = {Fault(fault): rate for fault, rate in faults.items()}
    market = a_market(clock or FakeClock(), delay_scale=delay_scale, lifetime=lifetime, faults=rates)
    return cast("VenueConnector", import_module(f"chalicelib.venues.{name}").connect(market))


def venues(*, quote_error: float = 0) -> list[VenueConnector]:
    return [a_venue(name, quote_error=quote_error) for name in VENUES]


def both(at: timedelta) -> list[VenueConnector]:
    """The two that lean away from the middle, each to its own side."""
    return [a_venue(name, clock=FakeClock(START + at)) for name in (RAYDIUM, METEORA)]


def a_request(pair: tuple[Token, Token], side: Side, dollars: int, reference: str) -> QuoteRequest:
    counted = pair[0] if side is Side.SELL else pair[1]
    amount = int((Decimal(dollars) / REFERENCE_USD[counted.symbol]).scaleb(counted.decimals))
    return QuoteRequest(*pair, side, amount, reference)


def rate(quote: Quote) -> Fraction:
    return Fraction(quote.amount_out, quote.amount_in)


def test_every_module_of_the_room_is_registered_and_calls_itself_as_it_is_called() -> None:
    modules = {path.stem for path in ROOM.glob("*.py")} - {"__init__", "router"}
    assert modules == set(VENUES)
    assert [venue.name for venue in venues()] == list(VENUES)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("dollars", [10, 500, 20_000])
def test_raydium_and_meteora_differ_by_two_to_five_percent_after_fees(side: Side, dollars: int) -> None:
    for number, pair in enumerate(PAIRS * 2):
        request = a_request(pair, side, dollars, "ord_1:1")
        low, high = sorted(rate(venue.quote(request)) for venue in both(timedelta(seconds=1234 * number)))
        assert Fraction(2, 100) <= high / low - 1 <= Fraction(5, 100), request


def test_either_of_them_wins_about_as_often() -> None:
    winners = Counter(
        max(both(timedelta(hours=hour)), key=lambda venue: rate(venue.quote(ONE_SOL))).name for hour in range(400)
    )
    assert all(140 <= winners[venue] <= 260 for venue in (RAYDIUM, METEORA))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_every_pair_trades_near_its_market_price(pair: tuple[Token, Token]) -> None:
    for venue, side in itertools.product(venues(), Side):
        quote = venue.quote(a_request(pair, side, 100, "reference"))
        assert abs(rate(quote) / Prices(volatility=Decimal(0)).middle(*pair, 0) - 1) < Fraction(4, 100)


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize("side", Side)
def test_the_same_question_gets_the_same_answer(name: Venue, side: Side) -> None:
    request = replace(ONE_SOL, side=side)
    one, again = (a_venue(name).quote(request) for _ in range(2))
    assert one == again == a_venue(name).quote(replace(request, reference="another"))
    later = {a_venue(name, clock=FakeClock(START + timedelta(seconds=second))).quote(request) for second in range(20)}
    assert len(later) > 10


def test_a_quote_answers_the_question() -> None:
    for venue in venues():
        sold = venue.quote(ONE_SOL)
        assert (sold.venue, sold.amount_in) == (venue.name, ONE_SOL.amount)
        assert 0 < sold.fee < sold.amount_in // 100
        bought = venue.quote(replace(ONE_SOL, side=Side.BUY, amount=165_000_000))
        assert bought.amount_out == 165_000_000
        assert (sold.expires_at - FakeClock().now()).total_seconds() == 30


@pytest.mark.parametrize("name", VENUES)
def test_a_quote_takes_about_200_ms_and_with_scale_0_no_time(name: Venue) -> None:
    real, instant = FakeClock(), FakeClock()
    for number in range(20):
        a_venue(name, clock=real, delay_scale=1).quote(replace(ONE_SOL, reference=str(number)))
        a_venue(name, clock=instant).quote(replace(ONE_SOL, reference=str(number)))
    assert all(0.15 <= seconds <= 0.25 for seconds in real.slept)
    assert len(set(real.slept)) == 20
    assert set(instant.slept) == {0}


@pytest.mark.parametrize("name", VENUES)
def test_a_quote_error(name: Venue) -> None:
    with pytest.raises(Retryable) as caught:
        a_venue(name, quote_error=1).quote(ONE_SOL)
    assert caught.value.code is ErrorCode.NO_QUOTE


def test_a_quote_that_times_out_comes_after_the_routers_patience() -> None:
    from chalicelib.venues.router import QUOTE_DEADLINE_SECONDS

    clock = FakeClock()
    with pytest.raises(Retryable) as caught:
        a_venue(RAYDIUM, clock=clock, quote_timeout=1).quote(ONE_SOL)
    assert caught.value.code is ErrorCode.QUOTE_TIMEOUT
    assert sum(clock.slept) > QUOTE_DEADLINE_SECONDS


def test_a_fault_strikes_as_often_as_its_rate_says_and_venue_by_venue() -> None:
    struck = Counter[str]()
    for number, venue in itertools.product(range(500), venues(quote_error=0.3)):
        try:
            venue.quote(replace(ONE_SOL, reference=f"ord_{number}:1"))
        except VenueError:
            struck[venue.name] += 1
    assert all(100 <= struck[venue] <= 200 for venue in VENUES)
    assert struck[RAYDIUM] != struck[METEORA]


@pytest.mark.parametrize(("name", "side"), [(RAYDIUM, Side.BUY), (METEORA, Side.BUY), (METEORA, Side.SELL)])
def test_more_than_the_pool_holds_is_rejected_for_good(name: Venue, side: Side) -> None:
    with pytest.raises(Rejected) as caught:
        a_venue(name).quote(QuoteRequest(SOL, USDC, side, MAX_BASE_UNITS, "reference"))
    assert caught.value.code is ErrorCode.INSUFFICIENT_LIQUIDITY


def test_a_constant_product_takes_any_sale_at_a_price_that_falls_to_nothing() -> None:
    assert a_venue(RAYDIUM).quote(QuoteRequest(SOL, USDC, Side.SELL, MAX_BASE_UNITS, "r")).price_impact_pct > 99


@pytest.mark.parametrize("name", VENUES)
def test_up_to_the_largest_purchase_everything_fits_64_bits_and_past_it_all_is_rejected(name: Venue) -> None:
    venue = a_venue(name)

    def paid(amount: int) -> int | None:
        try:
            return venue.quote(QuoteRequest(BONK, USDC, Side.BUY, amount, "reference")).amount_in
        except Rejected:
            return None

    largest, refused = 1, 2 * depth("1", USDC)
    while refused - largest > 1:
        middle = (largest + refused) // 2
        if paid(middle) is None:
            refused = middle
        else:
            largest = middle
    with pytest.raises(Rejected) as caught:
        venue.quote(QuoteRequest(BONK, USDC, Side.BUY, refused, "reference"))
    assert caught.value.code is ErrorCode.INSUFFICIENT_LIQUIDITY
    most = paid(largest)
    assert most is not None
    assert MAX_BASE_UNITS // 1000 < most <= MAX_BASE_UNITS


@pytest.mark.parametrize("name", VENUES)
def test_a_crumb_is_rejected_for_good(name: Venue) -> None:
    with pytest.raises(Rejected, match="too small to get any USDC") as caught:
        a_venue(name).quote(replace(ONE_SOL, amount=1))
    assert caught.value.code is ErrorCode.AMOUNT_TOO_SMALL


def test_any_amount_of_any_pair_gets_a_quote_or_a_venue_error() -> None:
    amounts = [1, 2, 10**3, 10**6, 10**9, 10**12, 10**15, 10**18, MAX_BASE_UNITS]
    for venue, pair, side, amount in itertools.product(venues(), PAIRS, Side, amounts):
        try:
            quote = venue.quote(QuoteRequest(*pair, side, amount, "reference"))
        except VenueError:
            continue
        assert 0 < quote.amount_in <= MAX_BASE_UNITS
        assert 0 < quote.amount_out <= MAX_BASE_UNITS
        assert 0 <= quote.fee < quote.amount_in
        assert 0 <= quote.price_impact_pct <= 100


@pytest.mark.parametrize("number", [-8000, -1, 0, 1, 5108, 8000])
def test_the_nearest_bin(number: int) -> None:
    price = Decimal(10_000 + BIN_STEP) / 10_000
    assert nearest_bin(price**number) == number
    assert nearest_bin(price**number * Decimal("1.0004")) == number


# What is built.


def routed(
    venue: VenueConnector, side: Side = Side.SELL, amount: int = 1_000_000_000, *, slippage_bps: int = 50
) -> Order:
    """An order that was routed to the venue by its own quote."""
    order = replace(an_order(OrderStatus.BUILDING, side=side, slippage_bps=slippage_bps), amount=amount)
    return replace(order, route=choose_route(order.quote_request(), [venue.quote(order.quote_request())], slippage_bps))


def built(venue: VenueConnector, order: Order) -> SimulatedSwap:
    assert order.route is not None
    return read(venue.build(order, order.route, 1_000).raw)


@pytest.mark.parametrize("name", VENUES)
def test_a_swap_is_built_for_its_order_within_a_second_or_so(name: Venue) -> None:
    clock = FakeClock()
    venue = a_venue(name, clock=clock, delay_scale=1, lifetime=30)
    order = routed(venue)
    clock.slept.clear()
    swap = built(venue, order)
    assert 0.8 <= sum(clock.slept) <= 1.2
    assert (swap.order_id, swap.attempt, swap.venue, swap.refusal) == (order.id, 1, name, None)
    assert swap.last_valid_height == 1_075
    assert swap == built(venue, order)


@pytest.mark.parametrize(("lifetime", "blocks"), [(0.1, 1), (0.4, 1), (7, 18), (30, 75), (120, 300)])
def test_the_lifetime_is_a_setting(lifetime: float, blocks: int) -> None:
    venue = a_venue(RAYDIUM, lifetime=lifetime)
    assert built(venue, routed(venue)).last_valid_height == 1_000 + blocks


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("slippage_bps", [0, 50, 5000])
def test_a_price_past_the_slippage_is_refused(name: Venue, side: Side, slippage_bps: int) -> None:
    venue = a_venue(name, price_move=1)
    refusal = built(venue, routed(venue, side, slippage_bps=slippage_bps)).refusal
    assert refusal is not None
    assert ("minimumOutput" if side is Side.SELL else "maximumInput") in refusal


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize("side", Side)
def test_prices_move_both_ways_between_the_quote_and_the_block(name: Venue, side: Side) -> None:
    venue = a_venue(name)
    better = worse = 0
    for _ in range(60):
        order = routed(venue, side)
        assert order.route is not None
        chosen, fill = order.route.chosen, built(venue, order).fill
        gain = fill.amount_out - chosen.amount_out if side is Side.SELL else chosen.amount_in - fill.amount_in
        better += gain > 0
        worse += gain < 0
        # 20 basis points; a bin is 10, and a price lies up to half a bin beside its bin.
        assert abs(rate_of(fill.amount_out, fill.amount_in) / rate(chosen) - 1) <= Fraction(21, 10_000)
    assert min(better, worse) >= 10


def rate_of(amount_out: int, amount_in: int) -> Fraction:
    return Fraction(amount_out, amount_in)


@pytest.mark.parametrize("side", Side)
def test_the_fee_is_the_rate_on_what_really_goes_in(side: Side) -> None:
    venue = a_venue(RAYDIUM)
    dearer = 0
    for _ in range(30):
        # Where the usual move would be past its limit, it is filled at its quote.
        order = routed(venue, side, slippage_bps=0)
        assert order.route is not None
        swap = built(venue, order)
        assert swap.refusal is None
        fill = swap.fill
        assert fill.fee == -(-fill.amount_in * TRADE_FEE_RATE // 1_000_000)
        dearer += fill.amount_in != order.route.chosen.amount_in
    assert (dearer > 0) == (side is Side.BUY)


@given(
    st.sampled_from(VENUES),
    st.sampled_from(PAIRS),
    st.sampled_from(Side),
    st.one_of(st.integers(1, 300), st.integers(1, 10**14)),
    st.integers(0, 5000),
    st.booleans(),
)
def test_nothing_is_ever_exchanged_outside_its_limits_and_usually_something_is(
    name: Venue, pair: tuple[Token, Token], side: Side, amount: int, slippage_bps: int, moves: bool
) -> None:
    venue = a_venue(name, price_move=float(moves))
    order = replace(
        an_order(OrderStatus.BUILDING, side=side, slippage_bps=slippage_bps),
        input_token=pair[0],
        output_token=pair[1],
        amount=amount,
    )
    try:
        quote = venue.quote(order.quote_request())
    except Rejected:
        return
    # However far it moves the market: the limit on that is choose_route's own.
    order = replace(order, route=choose_route(order.quote_request(), [quote], slippage_bps, 10_000))
    assert order.route is not None
    swap = built(venue, order)
    if swap.refusal is None:
        assert swap.fill.amount_out >= order.route.minimum_output
        assert swap.fill.amount_in <= order.route.maximum_input
        assert (swap.fill.amount_in if side is Side.SELL else swap.fill.amount_out) == amount
    # Without a fault even dust is exchanged: the usual move is within any slippage, down to none.
    assert moves or swap.refusal is None
