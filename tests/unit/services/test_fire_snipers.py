"""Orders that wait for a launch."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.domain.launches import LaunchFlag
from chalicelib.domain.order import LaunchEvent
from chalicelib.domain.tokens import launch_token
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services import fire_snipers
from chalicelib.services.watch import Beat, beat
from tests.fakes.resting_desk import MemoryDesk


def test_a_sniper_fires_at_its_launch(desk: MemoryDesk) -> None:
    order = desk.snipe()
    assert desk.beat() == 0
    desk.launch()
    assert desk.beat() == 1
    assert [sample.value for sample in desk.telemetry.samples if sample.metric == "TriggerLatencyMs"] == [0]
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "building", "submitted", "confirmed"]
    assert desk.beat() == 0


@pytest.mark.parametrize("most", [60, 30])
def test_it_fires_when_the_pool_opens_and_the_age_counts_from_then(desk: MemoryDesk, most: int) -> None:
    desk.snipe(max_age_seconds=most)
    desk.launch(opens_in=40)
    fired = []
    for second in range(45):
        if desk.beat():
            fired.append(second)
        desk.pass_time(1)
    assert fired == [40]


def test_a_pool_that_is_told_of_twice_is_one(desk: MemoryDesk) -> None:
    order = desk.snipe()
    first = desk.launch()
    desk.market.launched_pools.append(replace(first, event_id="evt_2"))
    assert desk.beat() == 1
    assert desk.statuses(order) == ["waiting", "pending"]
    assert [launch.event_id for launch in desk.resting.launches] == ["evt_1", "evt_2"]


def test_liquidity_that_comes_later_is_waited_for(desk: MemoryDesk) -> None:
    desk.snipe()
    desk.launch(liquidity=800)
    for second in range(12):
        if second == 10:
            desk.market.launched_pools = [replace(desk.market.launched_pools[0], liquidity_usd=6_000)]
        assert desk.beat() == (second == 10)
        desk.pass_time(1)


@pytest.mark.parametrize(
    ("conditions", "changes", "named", "sentence"),
    [
        ({}, {"liquidity": 800}, ["liquidity"], "Not bought: liquidity 800 of 5000 USD."),
        (
            {"event": LaunchEvent.MIGRATION},
            {},
            ["event"],
            "Not bought: it was a launch, not a migration.",
        ),
        (
            {},
            {"flags": (LaunchFlag.MINT_AUTHORITY,)},
            ["safety"],
            "Not bought: the token has mint authority.",
        ),
        (
            {},
            {"flags": (LaunchFlag.TRANSFER_FEE, LaunchFlag.MINT_AUTHORITY), "liquidity": 1},
            ["liquidity", "safety"],
            "Not bought: liquidity 1 of 5000 USD; the token has transfer fee, mint authority.",
        ),
    ],
)
def test_what_does_not_hold_until_the_launch_is_too_old_is_named(
    desk: MemoryDesk, conditions: dict[str, object], changes: dict[str, object], named: list[str], sentence: str
) -> None:
    order = desk.snipe(**conditions)  # type: ignore[arg-type]
    desk.store.follow(order.id)
    desk.launch(**changes)  # type: ignore[arg-type]
    ended = None
    for second in range(35):
        desk.beat()
        if desk.statuses(order)[-1] == "failed":
            ended = second
            break
        desk.pass_time(1)
    assert ended == 31
    newest = desk.store.get(order.id).events[-1]
    assert (newest.message, newest.meta["conditions"]) == (sentence, named)
    assert isinstance(newest.meta["error"], dict)
    assert (newest.meta["error"]["code"], newest.meta["error"]["retryable"]) == ("launch_skipped", True)
    assert [sent.history.order.status for sent in desk.events.sent] == [OrderStatus.FAILED]


def test_unsafe_tokens_are_bought_by_those_who_want_them(desk: MemoryDesk) -> None:
    desk.snipe(require_safe=False)
    desk.launch(flags=(LaunchFlag.FREEZE_AUTHORITY,))
    assert desk.beat() == 1


def test_a_launch_between_the_check_and_the_insert_fires_at_the_next_beat(desk: MemoryDesk) -> None:
    desk.snipe()
    desk.launch(age=3)
    assert desk.beat() == 1
    # One that is five seconds before the order is not its launch.
    desk.market.launched_pools.clear()
    desk.snipe()
    desk.launch(age=5)
    assert desk.beat() == 0


@pytest.mark.parametrize(("down", "end"), [(3600, "failed"), (31, "failed"), (30, "pending")])
def test_a_watcher_that_was_down_skips_what_is_too_old(desk: MemoryDesk, down: int, end: str) -> None:
    order = desk.snipe()
    desk.beat()
    desk.launch(age=-1)
    desk.pass_time(down + 1)
    desk.beat()
    history = desk.store.get(order.id)
    assert history.order.status.value == end
    if end == "failed":
        assert history.events[-1].meta["conditions"] == ["age"]
        assert history.events[-1].message == f"Not bought: the launch was {down} s old."


def test_a_launch_at_the_edge_of_what_is_looked_at_is_seen(desk: MemoryDesk) -> None:
    """A pool may open two minutes after its event, and its snipers wait for up to five minutes more."""
    order = desk.snipe(max_age_seconds=300, minimum_liquidity_usd=Decimal(50_000))
    desk.launch(opens_in=119)
    desk.pass_time(419)
    assert desk.beat() == 0
    desk.market.launched_pools = [replace(desk.market.launched_pools[0], liquidity_usd=50_000)]
    assert desk.beat() == 1
    trigger = desk.store.get(order.id).events[-1].meta["trigger"]
    assert isinstance(trigger, dict)
    assert trigger["latencyMs"] == 300_000
    assert desk.telemetry.total("TriggerLatencyMs") == 300_000
    assert desk.telemetry.total("TriggersFired", kind="launch") == 1


def test_all_snipers_of_a_launch_are_read_however_many(desk: MemoryDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fire_snipers, "SNIPERS_A_READ", 2)
    orders = [desk.snipe() for _ in range(5)]
    desk.launch()
    # Nobody waits for this one: it is not kept.
    desk.market.launched_pools.append(replace(desk.launch(), pool="pool_2", token=launch_token(8)))
    assert desk.beat() == 5
    assert desk.queue.sent == sorted(order.id for order in orders)
    assert {launch.pool for launch in desk.resting.launches} == {"pool_1"}


def test_where_there_is_no_room_for_snipers_the_others_wait_and_are_not_ended(
    desk: MemoryDesk, room: Callable[[int], None]
) -> None:
    room(1)
    late = [desk.snipe(max_age_seconds=10) for _ in range(2)]
    desk.pass_time(1)
    orders = [desk.snipe() for _ in range(2)]
    desk.launch(age=-1)
    desk.pass_time(12)
    assert beat(desk.watcher()) == Beat(fired=1, skipped=2)
    assert desk.telemetry.total("OrdersFailed", code="launch_skipped") == 2
    assert [desk.statuses(order) for order in late] == [["waiting", "failed"]] * 2
    assert sorted(desk.statuses(order)[-1] for order in orders) == ["pending", "waiting"]


def test_a_sniper_with_a_limit_waits_for_its_price_and_rests_where_it_is_gone(desk: MemoryDesk) -> None:
    order = desk.snipe(limit="1.0")
    second = int(desk.clock.now().timestamp())
    desk.launch()
    # SOL pays so many of the token.
    desk.market.usual = "0.9"
    desk.market.usdc = {second + late: "1.1" for late in (1, 2, 3, *range(8, 60))}
    assert desk.beat() == 0
    desk.pass_time(1)
    # It is looked at again two seconds later.
    assert desk.beat() == 0
    desk.pass_time(1)
    assert desk.beat() == 1
    desk.router.script = ["0.9", "0.9", "0.9"]
    before = desk.clock.now()
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "waiting"]
    spent = int((desk.clock.now() - before).total_seconds())
    desk.router.script = []
    fired = 0
    for _ in range(12 - spent):
        fired = desk.beat()
        if fired:
            break
        desk.pass_time(1)
    assert fired == 1
    assert int(desk.clock.now().timestamp()) - second >= 8
    desk.run(order)
    assert desk.statuses(order)[-1] == "confirmed"
    ended = desk.store.get(order.id).order
    assert ended.fill is not None
    assert ended.fill.amount_out >= 1_000_000
