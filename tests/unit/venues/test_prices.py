"""The simulated market is the same on every machine, moves as it says, and stands still where it is told to."""

import hashlib
import subprocess
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from chalicelib.config import Fault
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.limits import full_price, in_base_units
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Side
from chalicelib.domain.tokens import BONK, JUP, RAY, SOL, USDC, USDT, WSOL, Token, launch_token
from chalicelib.simulation.prices import Prices
from localstack.packaging import interpreters
from tests.fakes import FakeClock
from tests.fakes.clock import START
from tests.fakes.market import a_market, watched

FUNCTIONS = Path(__file__).parents[3] / "functions"
START_SECOND = int(START.timestamp())
# 600 seconds of six assets, 20 digits each.
DIGEST = "fc0cd4da020aeec8f8f6f8566ea034400ca402205375ce3b480718ba32230f73"
DIGITS = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from chalicelib.domain.tokens import REGISTRY
from chalicelib.simulation.prices import Prices
digest = hashlib.sha256()
for second in range(1_764_000_000, 1_764_000_600):
    for token in REGISTRY:
        digest.update(f"{Prices().usd(token, second):.20f}".encode())
print(digest.hexdigest())
"""


def test_every_python_of_this_machine_computes_the_same_digits() -> None:
    """On another processor too: all is whole numbers but `Decimal.exp`, which is rounded correctly everywhere."""
    pythons = [path for minor in range(11, 16) if (path := interpreters.find(f"python3.{minor}")) is not None]
    asked = [
        subprocess.Popen([path, "-I", "-c", DIGITS, str(FUNCTIONS)], stdout=subprocess.PIPE, text=True)
        for path in pythons
    ]
    assert {one.communicate(timeout=100)[0].strip() for one in asked} == {DIGEST}
    assert [one.returncode for one in asked] == [0] * len(pythons)


def test_a_market_s_seed_decides_its_weeks_with_jumps_and_launched_tokens() -> None:
    digest = hashlib.sha256()
    for second in range(START_SECOND, START_SECOND + 601_000, 601):
        for token in (SOL, WSOL, BONK, USDT, launch_token(7)):
            digest.update(f"{Prices(volatility=Decimal('0.5')).usd(token, second):.20f}".encode())
    assert digest.hexdigest() == "e90591c6c9a8d4cc90e96d61c16b7b601f31842d4640e394b022d5f641579f71"


def test_another_seed_is_another_market() -> None:
    assert len({Prices(str(seed)).usd(SOL, START_SECOND) for seed in range(20)}) == 20


@pytest.mark.parametrize(("token", "bps"), [(SOL, 3), (JUP, 4), (RAY, 4), (BONK, 5)], ids=str)
def test_a_second_moves_an_asset_by_its_basis_points(token: Token, bps: int) -> None:
    moves = [
        later - before
        for before, later in pairwise(Prices().moved(token, START_SECOND + second) for second in range(4_000))
    ]
    small = [move for move in moves if abs(move) < 5_000_000]  # without jumps
    assert len(small) > 3_990
    variance = Fraction(sum(move * move for move in small), len(small))
    assert Fraction(9, 10) < variance / (bps * 100_000) ** 2 < Fraction(11, 10)


def test_weeks_stay_near_the_reference() -> None:
    day = 86_400
    found = [Prices().usd(SOL, START_SECOND + hour * 3_600) for hour in range(28 * 24)]
    assert min(found) > Decimal("165.25") * Decimal("0.75")
    assert max(found) < Decimal("165.25") * Decimal("1.3")
    assert all(Decimal("0.99") < Prices().usd(USDT, START_SECOND + n * day) < Decimal("1.01") for n in range(28))


def test_a_market_that_stands_quotes_its_references_up_to_the_skew() -> None:
    for seed in (1, 2):
        market = watched(a_market(FakeClock(), seed=seed))
        for second in range(START_SECOND, START_SECOND + 10_000, 997):
            skew = market.simulation.prices.skew(SOL, USDC, second)
            for venue in market.venues:
                middle = venue.price(SOL, USDC, second) / (1 + venue.lean * skew / 2)
                assert middle == in_base_units(Decimal("165.25"), SOL, USDC)


def test_no_volatility_is_a_market_that_stands() -> None:
    still = Prices(volatility=Decimal(0))
    assert {still.usd(SOL, START_SECOND + second) for second in range(0, 10**6, 9_999)} == {Decimal("165.25")}


def test_a_triangle_of_pairs_pays_nothing() -> None:
    for second in range(START_SECOND, START_SECOND + 100):
        triangle = [(SOL, USDC), (USDC, JUP), (JUP, SOL)]
        product = Fraction(1)
        for pair in triangle:
            product *= Prices().middle(*pair, second)
        assert product == 1


def test_the_skew_keeps_its_sign_for_an_hour_is_linear_within_a_minute_and_turns_with_the_pair() -> None:
    hour = START_SECOND - START_SECOND % 3_600
    found = [Prices().skew(SOL, USDC, hour + second) for second in range(3_600)]
    assert len({skew > 0 for skew in found}) == 1
    assert all(Fraction(230, 10_000) <= abs(skew) <= Fraction(470, 10_000) for skew in found)
    assert len({later - before for before, later in pairwise(found[:61])}) == 1
    assert Prices().skew(USDC, SOL, hour) == -found[0] == -Prices().skew(WSOL, USDC, hour)


def a_request(side: Side, amount: int, pair: tuple[Token, Token] = (SOL, USDC)) -> QuoteRequest:
    return QuoteRequest(*pair, side, amount, "ord_1:1")


@pytest.mark.parametrize("volatility", ["0", "1", "30"])
def test_watcher_venues_and_api_agree_to_the_last_digit_within_a_second(volatility: str) -> None:
    """Each process has its own simulation; only the second is shared."""
    for number, side in enumerate([Side.SELL, Side.BUY] * 5):
        moment = START + timedelta(seconds=977 * number)
        request = a_request(side, 10**9 if side is Side.SELL else 10**8)
        market = watched(a_market(FakeClock(moment), volatility=volatility))
        late = FakeClock(moment + timedelta(milliseconds=999))
        asked = [venue.quote(request) for venue in watched(a_market(late, delay_scale=0, volatility=volatility)).venues]
        assert market.preview(request, moment) == asked


def test_the_touch_is_what_a_small_amount_is_paid() -> None:
    market = watched(a_market(FakeClock(), volatility="1"))
    for pair, amount in {(SOL, USDC): 10**9, (USDC, SOL): 10**8, (BONK, SOL): 10**11, (JUP, RAY): 10**9}.items():
        touches = market.touches(*pair, START)
        for answer in market.preview(a_request(Side.SELL, amount, pair), START):
            assert isinstance(answer, Quote)
            assert 0 <= 1 - full_price(answer) / touches[answer.venue] < Fraction(1, 10_000)


@pytest.mark.parametrize(
    ("side", "dollars", "times"),
    [
        # A bin's width less than the limit, where the amount moves nothing.
        (Side.SELL, 1, "0.999"),
        (Side.BUY, 1_650, "0.999"),
        (Side.SELL, 165_000, "0.99924"),
        (Side.BUY, 5_000_000, "1.01873"),
        (Side.SELL, 40_000_000, "2.59582"),
        # No pool holds that much.
        (Side.BUY, 40_000_000, "0.999"),
    ],
)
def test_the_bound_is_where_the_pool_that_moves_least_would_meet_the_limit(
    side: Side, dollars: int, times: str
) -> None:
    request = a_request(side, dollars * 10**9 // 165 if side is Side.SELL else dollars * 10**6)
    limit = in_base_units(Decimal(165), SOL, USDC)
    assert round(watched(a_market(FakeClock())).bound(request, limit, START) / limit, 5) == Fraction(times)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("dollars", [1, 1_650, 165_000, 5_000_000])
def test_below_its_bound_no_order_meets_its_limit_and_above_it_soon_does(side: Side, dollars: int) -> None:
    market = watched(a_market(FakeClock(), volatility="20"))
    request = a_request(side, dollars * 10**9 // 165 if side is Side.SELL else dollars * 10**6)
    limit = in_base_units(Decimal(165), SOL, USDC)
    bound = market.bound(request, limit, START)
    met = missed = 0
    for second in range(0, 40_000, 250):
        moment = START + timedelta(seconds=second)
        touch = max(market.touches(SOL, USDC, moment).values())
        best = max(full_price(quote) for quote in market.preview(request, moment) if isinstance(quote, Quote))
        if touch < bound:
            assert best < limit
        elif best >= limit:
            met += 1
        else:
            missed += 1
    assert met > 8
    # The impact of millions differs by the venue that is the better just then.
    assert missed < met / 4 or dollars > 10**6


def test_a_bad_tick_and_a_feed_that_is_down_are_the_watchers_alone() -> None:
    sound = watched(a_market(FakeClock(), delay_scale=0))
    far = {venue: touch * Fraction(11, 10) for venue, touch in sound.touches(SOL, USDC, START).items()}
    for fault, touches in ((Fault.BAD_TICK, far), (Fault.FEED_DOWN, {})):
        market = watched(a_market(FakeClock(), faults={fault: 1}, delay_scale=0))
        assert market.touches(SOL, USDC, START) == touches
        request = a_request(Side.SELL, 10**9)
        assert [venue.quote(request) for venue in market.venues] == [venue.quote(request) for venue in sound.venues]


def test_a_feed_fails_by_the_second_and_pair_by_pair() -> None:
    for fault in (Fault.BAD_TICK, Fault.FEED_DOWN):
        market = watched(a_market(FakeClock(), faults={fault: 0.5}))
        sound = watched(a_market(FakeClock()))
        seconds = [START + timedelta(seconds=second) for second in range(40)]
        failed = [
            [at for at in seconds if market.touches(*pair, at) != sound.touches(*pair, at)]
            for pair in ((SOL, USDC), (JUP, USDC))
        ]
        assert all(8 < len(each) < 32 for each in failed)
        assert failed[0] != failed[1]


def test_a_pool_that_cannot_hold_the_amount_says_so() -> None:
    market = watched(a_market(FakeClock()))
    assert market.preview(a_request(Side.BUY, 40_000_000 * 10**6), START) == [
        NoQuote(
            venue.name, ErrorCode.INSUFFICIENT_LIQUIDITY, "The SOL/USDC pool does not hold enough.", retryable=False
        )
        for venue in market.venues
    ]
