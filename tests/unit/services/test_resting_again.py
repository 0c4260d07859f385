"""Orders whose price is gone when they are routed."""

import pytest

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.order import Order, TimeInForce
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.execute_order import MAX_FIRES
from tests.fakes import CrashAt, Killed
from tests.fakes.chain import Behaviour
from tests.fakes.resting_desk import MemoryDesk


def rested(desk: MemoryDesk, *quotes: str | None, **changes: object) -> Order:
    """An order that fired at 170.02 and whose worker then got these quotes."""
    order = desk.place(**changes)  # type: ignore[arg-type]
    desk.pays("170.02")
    assert desk.beat() == 1
    desk.router.script = list(quotes)
    desk.run(order)
    return desk.store.get(order.id).order


def test_a_price_that_is_gone_at_three_looks_rests_again(desk: MemoryDesk) -> None:
    order = rested(desk, "169.98", "169.95", "169.99")
    assert desk.statuses(order) == ["waiting", "pending", "routing", "waiting"]
    newest = desk.store.get(order.id).events[-1]
    assert newest.message == "The price moved away: 169.99 at best. Resting again, next look in 2 s."
    assert isinstance(newest.meta["error"], dict)
    assert (newest.meta["error"]["code"], newest.meta["error"]["retryable"]) == ("limit_not_met", True)
    assert (order.attempt, order.fires, order.route, order.transaction) == (1, 1, None, None)
    assert len(desk.router.asked) == 3
    assert desk.beat() == 0
    desk.pass_time(3)
    assert desk.beat() == 1
    desk.run(order)
    assert desk.statuses(order)[4:] == ["pending", "routing", "building", "submitted", "confirmed"]
    # A second firing is another attempt towards venues and chain.
    assert [request.reference for request in desk.router.asked] == [f"{order.id}:1"] * 3 + [f"{order.id}:2:1"]


def test_an_order_that_was_met_when_it_was_placed_rests_where_its_price_is_gone(desk: MemoryDesk) -> None:
    desk.pays("170.02")
    order = desk.place()
    assert (order.status, order.fires, order.fired_at) == (OrderStatus.PENDING, 1, order.created_at)
    desk.router.script = ["169", "169", "169"]
    desk.run(order)
    assert desk.statuses(order)[-1] == "waiting"
    desk.pass_time(3)
    assert desk.beat() == 1


def test_a_price_that_comes_back_within_three_looks_is_taken(desk: MemoryDesk) -> None:
    order = rested(desk, "169.98", "170.01")
    assert desk.statuses(order) == ["waiting", "pending", "routing", "building", "submitted", "confirmed"]
    assert order.fill is not None
    assert order.fill.amount_out >= 1_700_000_000


def test_reverted_for_the_price_it_rests_and_signs_anew(desk: MemoryDesk) -> None:
    order = desk.place()
    desk.pays("170.02")
    desk.beat()
    desk.chain.behaviours[1] = Behaviour.REVERTS
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "building", "submitted", "waiting"]
    del desk.chain.behaviours[1]
    desk.pass_time(3)
    assert desk.beat() == 1
    desk.run(order)
    assert desk.statuses(order)[-1] == "confirmed"
    assert len(set(desk.chain.submissions)) == 2
    assert desk.chain.settlements(order.id) == 1


def test_venues_without_a_quote_use_up_the_firing_and_not_the_order(desk: MemoryDesk) -> None:
    order = rested(desk, None, None, None)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "routing", "routing", "waiting"]
    assert order.attempt == 1


def test_a_final_refusal_fails(desk: MemoryDesk) -> None:
    order = desk.place()
    desk.pays("170.02")
    desk.beat()
    desk.market.deepest = 1
    desk.run(order)
    assert desk.statuses(order) == ["waiting", "pending", "routing", "failed"]
    failure = desk.store.get(order.id).order.failure
    assert failure is not None
    assert failure.code is ErrorCode.INSUFFICIENT_LIQUIDITY


def test_fill_or_kill_is_looked_at_once(desk: MemoryDesk) -> None:
    desk.pays("170.1")
    order = desk.place(time_in_force=TimeInForce.FOK)
    assert (order.status, order.fires, order.expires_at) == (OrderStatus.PENDING, 1, None)
    desk.router.script = ["169.9", "171"]
    desk.run(order)
    assert desk.statuses(order) == ["pending", "routing", "expired"]
    newest = desk.store.get(order.id)
    assert newest.order.failure is not None
    assert (newest.order.failure.code, newest.order.failure.retryable) == (ErrorCode.LIMIT_NOT_MET, True)
    assert newest.events[-1].message == f"Not filled at once: {newest.order.failure.message}"
    assert "169.9" in newest.order.failure.message
    assert len(desk.router.asked) == 1
    # An unmet one never rests either: one look, and it ends.
    unmet = desk.place("171.5", time_in_force=TimeInForce.FOK)
    desk.router.script = ["170"]
    desk.run(unmet)
    assert desk.statuses(unmet) == ["pending", "routing", "expired"]


def test_the_hundredth_firing_that_misses_is_the_last(desk: MemoryDesk) -> None:
    order = desk.place()
    desk.change(order, fires=MAX_FIRES - 1)
    desk.pays("170.02")
    assert desk.beat() == 1
    desk.router.script = ["169"] * 3
    desk.run(order)
    ended = desk.store.get(order.id).order
    assert ended.status is OrderStatus.FAILED
    assert ended.failure is not None
    assert (ended.failure.code, ended.failure.retryable) == (ErrorCode.LIMIT_NOT_MET, True)
    assert ended.failure.message.startswith("The price was gone at each of 100 firings. The last answer: ")
    assert desk.telemetry.total("OrdersFailed", code="limit_not_met") == 1


@pytest.mark.parametrize(("fires", "seconds"), [(1, 2), (3, 8), (8, 256), (9, 300), (99, 300)])
def test_each_miss_makes_the_rest_twice_as_long_up_to_five_minutes(desk: MemoryDesk, fires: int, seconds: int) -> None:
    order = desk.place()
    desk.change(order, fires=fires - 1)
    desk.pays("170.02")
    assert desk.beat() == 1
    # However long it waited for a worker, it is looked at three times from then on.
    desk.pass_time(10)
    desk.router.script = ["169"] * 3
    desk.run(order)
    assert len(desk.router.asked) == 3
    assert desk.store.get(order.id).events[-1].message.endswith(f"next look in {seconds} s.")


def test_a_worker_that_dies_behind_its_rest_loses_nothing(desk: MemoryDesk) -> None:
    order = desk.place()
    desk.pays("170.02")
    desk.beat()
    desk.router.script = ["169"] * 3
    with pytest.raises(Killed):
        desk.run(order, desk.worker(CrashAt("after_rest_commit")))
    assert desk.statuses(order)[-1] == "waiting"
    desk.pass_time(3)
    assert desk.beat() == 1


def test_a_late_copy_of_a_message_finds_nothing_to_do(desk: MemoryDesk) -> None:
    order = rested(desk, "169.98", "169.95", "169.99")
    desk.run(order)
    assert desk.statuses(order)[-1] == "waiting"
    assert len(desk.router.asked) == 3
