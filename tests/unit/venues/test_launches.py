"""Simulated launches: the same of a seed on every machine, with everything that goes wrong on a chain."""

import hashlib
from dataclasses import astuple, replace

import pytest

from chalicelib.config import Fault
from chalicelib.domain.launches import LaunchFlag, LaunchKind
from chalicelib.domain.tokens import SOL, launch_token
from chalicelib.simulation.launches import LaunchPlan, PlannedLaunch
from chalicelib.simulation.prices import Prices

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
