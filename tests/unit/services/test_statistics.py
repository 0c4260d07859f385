"""The figures of the newest orders."""

from dataclasses import replace
from datetime import timedelta

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.identity import Owner
from chalicelib.domain.order import Failure, Fill, Order
from chalicelib.domain.quotes import Side
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.history import OrderFilter
from chalicelib.services.anyone import AnyonesHistory
from chalicelib.services.statistics import bins_of, execution_stats, quantile, slippage_bps
from tests.fakes import FakeClock, MemoryHistory, MemoryOrders, an_order
from tests.fakes.builders import ONE_SOL, a_quote, an_id
from tests.fakes.clock import START
from tests.fakes.engine import Engine

NOBODY = Owner(None)


def filled(amount_out: int, **changes: object) -> Order:
    """Quoted at 165 USDC for a SOL."""
    order = replace(an_order(OrderStatus.CONFIRMED), **changes)  # type: ignore[arg-type]
    assert order.route is not None
    route = replace(order.route, chosen=a_quote(amount_out=165_000_000))
    return replace(order, route=route, fill=Fill(ONE_SOL, amount_out, 1))


def test_slippage_is_negative_where_it_is_worse_for_the_trader() -> None:
    assert slippage_bps(filled(165_000_000)) == 0
    assert slippage_bps(filled(164_719_500)) == -17
    # Half a basis point is rounded away from zero.
    assert (slippage_bps(filled(165_008_250)), slippage_bps(filled(164_991_750))) == (1, -1)
    bought = filled(165_000_000, side=Side.BUY)
    assert bought.fill is not None
    assert slippage_bps(replace(bought, fill=replace(bought.fill, amount_in=1_001_000_000))) == -10
    assert slippage_bps(an_order()) is None


def test_a_histogram_has_no_gap_and_few_bins() -> None:
    assert bins_of([]) == []
    assert bins_of([-2, -2, 0]) == [
        {"fromBps": -2, "toBps": -1, "fills": 2},
        {"fromBps": -1, "toBps": 0, "fills": 0},
        {"fromBps": 0, "toBps": 1, "fills": 1},
    ]
    # The narrowest width that needs no more than 21 bins, and a thousandth at most.
    examples = [
        ([0, 20], 21, 1),
        ([0, 21], 11, 2),
        ([1, 42], 9, 5),
        ([-4_999, 12, 5_000], 21, 500),
        ([0, 30_000], 31, 1_000),
    ]
    for ordered, bins, width in examples:
        found = bins_of(ordered)
        assert (len(found), sum(each["fills"] for each in found)) == (bins, len(ordered))
        assert found[0]["toBps"] - found[0]["fromBps"] == width
        assert found[0]["fromBps"] <= ordered[0]
        assert found[-1]["toBps"] > ordered[-1]


def test_a_quantile_is_a_value_that_there_was() -> None:
    assert quantile([], 50) is None
    assert quantile([7], 5) == 7
    assert [quantile(list(range(1, 201)), percent) for percent in (5, 50, 95, 100)] == [10, 100, 190, 200]


def test_the_figures_are_about_the_newest_orders_of_the_user() -> None:
    store = MemoryOrders(FakeClock())
    history = AnyonesHistory(MemoryHistory(store))
    assert execution_stats(NOBODY, OrderFilter(), 200, history=history) == {
        "orders": 0,
        "open": 0,
        "failedPct": "0",
        "stages": [],
        "slippage": {"p50Bps": None, "p95Bps": None, "bins": []},
        "venues": [],
        "failures": [],
        "fills": [],
    }
    orders = [
        filled(165_000_000),
        filled(164_719_500),
        an_order(OrderStatus.PENDING),
        replace(an_order(OrderStatus.FAILED), failure=Failure(ErrorCode.NO_QUOTE, "None.", retryable=True)),
        replace(filled(1), user_id="another"),
    ]
    ids = [an_id(START + timedelta(seconds=number)) for number in range(len(orders))]
    for order, order_id in zip(orders, ids, strict=True):
        store.insert(replace(order, id=order_id), None)
    got = execution_stats(NOBODY, OrderFilter(user_id="user-1"), 200, history=history)
    assert (got["orders"], got["open"], got["failedPct"]) == (4, 1, "33.3")
    assert [fill["slippageBps"] for fill in got["fills"]] == [-17, 0]
    assert got["fills"][0] == {
        "orderId": ids[1],
        "at": "2026-11-22T18:00:00.000Z",
        "venue": "raydium",
        "side": "sell",
        "inputToken": "SOL",
        "outputToken": "USDC",
        "price": "164.7195",
        "slippageBps": -17,
    }
    assert (got["slippage"]["p50Bps"], got["slippage"]["p95Bps"], len(got["slippage"]["bins"])) == (-17, -17, 18)
    assert got["venues"] == [{"venue": "raydium", "fills": 2}]
    assert got["failures"] == [{"code": "no_quote", "orders": 1}]
    assert execution_stats(NOBODY, OrderFilter(user_id="user-1"), 1, history=history)["orders"] == 1


def test_shares_are_rounded_half_up_and_the_fifth_in_a_hundred_is_the_95th_best() -> None:
    store = MemoryOrders(FakeClock())
    failed = replace(an_order(OrderStatus.FAILED), failure=Failure(ErrorCode.NO_QUOTE, "None.", retryable=True))
    for order in (*(filled(165_000_000 - 16_500 * worse) for worse in range(79)), failed):
        store.insert(replace(order, id=an_id()), None)
    got = execution_stats(NOBODY, OrderFilter(), 200, history=AnyonesHistory(MemoryHistory(store)))
    assert got["failedPct"] == "1.3"
    assert (got["slippage"]["p50Bps"], got["slippage"]["p95Bps"]) == (-39, -75)


def test_the_stages_are_those_of_orders_that_have_ended(engine: Engine) -> None:
    engine.run(engine.store.put(an_order()).order.id)
    stages = execution_stats(NOBODY, OrderFilter(), 200, history=AnyonesHistory(MemoryHistory(engine.store)))["stages"]
    assert [stage["stage"] for stage in stages] == ["pending", "routing", "building", "submitted", "total"]
    assert stages[2] == {"stage": "building", "p50Ms": 2_500, "p95Ms": 2_500}
