"""Simulated launches: the same of a seed on every machine, with everything that goes wrong on a chain."""

import hashlib
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.config import Fault
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.launches import LaunchFlag, LaunchKind
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Side
from chalicelib.domain.tokens import SOL, launch_token
from chalicelib.simulation.launches import LaunchPlan, PlannedLaunch
from chalicelib.simulation.prices import Prices
from chalicelib.venues.simulated.market import SimulatedMarket
from tests.fakes import FakeClock
from tests.fakes.clock import START
from tests.fakes.market import a_market, watched

PLAN = LaunchPlan(Prices(), 60, {})
SOUND = PlannedLaunch(
    number=7,
    kind=LaunchKind.LAUNCH,
    venue="meteora",
    at=420,
    opens_at=440,
    liquidity_usd=41_207,
    late_liquidity=False,
    flags=(LaunchFlag.MINT_AUTHORITY,),
    reported_twice=False,
    forked=False,
    decoy=False,
)
# 2,000 launches, each as a node tells of it when everything of it is there.
DIGEST = "fbbf9ebe1f121d079db6eb57ab475fa1e110ef7c73764ba7b4a2af7e94dae5d3"


def test_the_launches_of_a_seed_are_the_same_everywhere() -> None:
    digest = hashlib.sha256()
    for number in range(2_000):
        planned = PLAN.numbered(number)
        seen = [astuple(pool) for pool in planned.seen(planned.at + 60)]
        digest.update(repr((astuple(planned), seen)).encode())
    assert digest.hexdigest() == DIGEST
    another = LaunchPlan(Prices("2"), 60, {})
    assert another.numbered(0) != PLAN.numbered(0)


def test_a_launch_is_found_by_its_token() -> None:
    assert PLAN.of(launch_token(7)) == PLAN.numbered(7)
    assert PLAN.of(SOL) is None
    assert replace(PLAN, every=0).of(launch_token(7)) is None


def test_launches_of_a_time_are_those_past_its_beginning_up_to_its_end_oldest_first() -> None:
    all_of_them = [PLAN.numbered(number) for number in range(100)]
    assert PLAN.between(-1, all_of_them[-1].at) == all_of_them
    first, second, third = all_of_them[10:13]
    assert PLAN.between(first.at, third.at) == [second, third]
    assert PLAN.between(first.at, third.at - 1) == [second]
    assert replace(PLAN, every=0).between(0, 10**6) == []


def test_a_pool_is_seen_from_its_launch_on() -> None:
    assert list(SOUND.seen(SOUND.at - 1)) == []
    (seen,) = SOUND.seen(SOUND.at)
    assert seen.confirmed
    launch = seen.launch
    assert (launch.token, launch.venue, launch.kind, launch.flags) == (
        launch_token(7),
        "meteora",
        LaunchKind.LAUNCH,
        (LaunchFlag.MINT_AUTHORITY,),
    )
    assert (launch.confirmed_at.timestamp(), launch.opens_at.timestamp(), launch.liquidity_usd) == (420, 440, 41_207)
    # However often and whenever it is told of, it is one pool.
    first, second = replace(SOUND, reported_twice=True).seen(1_000)
    assert first.launch == launch
    assert second.launch == replace(launch, event_id=second.launch.event_id)
    assert first.launch.event_id != second.launch.event_id


def test_liquidity_may_come_late() -> None:
    late = replace(SOUND, late_liquidity=True)
    told = [[seen.launch.liquidity_usd for seen in late.seen(late.at + wait)] for wait in (0, 9, 10)]
    assert told == [[4_120], [4_120], [41_207]]


def test_a_pool_on_a_fork_is_never_confirmed() -> None:
    assert [seen.confirmed for seen in replace(SOUND, forked=True).seen(1_000)] == [False]


def test_a_decoy_stands_before_the_pool_at_no_venue_of_ours() -> None:
    baited = replace(SOUND, decoy=True)
    assert list(baited.seen(baited.at - 6)) == []
    (decoy,) = baited.seen(baited.at - 5)
    assert (decoy.confirmed, decoy.launch.venue, decoy.launch.liquidity_usd) == (True, "unknown", 120_000)
    assert [seen.launch.venue for seen in baited.seen(baited.at)] == ["unknown", "meteora"]


@pytest.mark.parametrize(
    ("fault", "name"),
    [(Fault.LAUNCH_DUPLICATE, "reported_twice"), (Fault.LAUNCH_FORK, "forked"), (Fault.LAUNCH_DECOY, "decoy")],
)
def test_a_fault_comes_as_often_as_it_is_set_beside_what_happens_anyway(fault: Fault, name: str) -> None:
    def how_many(rate: float) -> int:
        plan = replace(PLAN, faults={fault: rate})
        return sum(getattr(plan.numbered(number), name) for number in range(1_000))

    usual = how_many(0)
    assert how_many(1) == 1_000
    assert abs(how_many(0.5) - (usual + (1_000 - usual) / 2)) < 60


# What the market makes of them. Of the hour from START on: one that opens 23 s after it was seen, one on a fork, one
# with a decoy, one that gets its liquidity late.
OPENS_LATE, FORKED, BAITED, FILLED_LATE = (PLAN.numbered(29_922_840 + number) for number in (3, 5, 21, 20))


@pytest.fixture
def market() -> SimulatedMarket:
    return watched(a_market(FakeClock(), launch_seconds=60))


def moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def test_a_token_is_launched_once_its_pool_is_confirmed(market: SimulatedMarket) -> None:
    for planned in (OPENS_LATE, BAITED):
        assert market.launched(planned.token, moment(planned.at - 1)) is None
        launch = market.launched(planned.token, moment(planned.at))
        assert launch is not None
        assert (launch.venue, launch.confirmed_at) == (planned.venue, moment(planned.at))
    assert market.launched(FORKED.token, moment(FORKED.at + 60)) is None
    assert market.launched(SOL, START) is None


def test_it_trades_at_its_venue_alone_and_from_its_opening_on(market: SimulatedMarket) -> None:
    token, opens_at = OPENS_LATE.token, moment(OPENS_LATE.opens_at)
    request = QuoteRequest(SOL, token, Side.SELL, 10**9, "ord_1:1")
    closed = f"has no open SOL/{token} pool."
    early = opens_at - timedelta(seconds=1)
    assert market.touches(SOL, token, early) == {}
    assert market.preview(request, early) == [
        NoQuote(venue.name, ErrorCode.NO_POOL, f"{venue.name} {closed}", retryable=True) for venue in market.venues
    ]
    assert market.touches(SOL, token, opens_at).keys() == {OPENS_LATE.venue}
    assert [type(answer) for answer in market.preview(request, opens_at)] == [Quote, NoQuote]
    assert market.touches(SOL, FORKED.token, moment(FORKED.opens_at + 60)) == {}
    # Without launches there is no such pool at all.
    (answer, *_) = watched(a_market(FakeClock())).preview(request, opens_at)
    assert answer == NoQuote("raydium", ErrorCode.NO_POOL, f"raydium has no SOL/{token} pool.", retryable=True)


def test_its_pool_is_as_deep_as_its_liquidity_just_then(market: SimulatedMarket) -> None:
    (venue,) = (venue for venue in market.venues if venue.name == FILLED_LATE.venue)
    for pair in ((SOL, FILLED_LATE.token), (FILLED_LATE.token, SOL)):
        request = QuoteRequest(*pair, Side.SELL, 10**9, "ord_1:1")
        # Half of 5,405 and then of 54,058 dollars in SOL at 165.25.
        assert venue.reserve(request, SOL, FILLED_LATE.at + 9) == 16_354_009_077
        assert venue.reserve(request, SOL, FILLED_LATE.at + 10) == 163_564_296_520


def test_upcoming_are_those_that_will_be_confirmed_as_they_open(market: SimulatedMarket) -> None:
    upcoming = market.upcoming(START, 10)
    planned = [PLAN.numbered(29_922_840 + number) for number in range(13)]
    planned = [one for one in planned if one.at > START.timestamp() and not one.forked]
    assert [launch.token for launch in upcoming] == [one.token for one in planned][:10]
    late = market.upcoming(moment(FILLED_LATE.at - 1), 1)
    assert [launch.liquidity_usd for launch in late] == [FILLED_LATE.liquidity_usd]
