"""Orders of extreme size, executed on the simulated venues and chain."""

from dataclasses import replace

import pytest

from chalicelib.chain.simulated import SimulatedChain
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.order import NewOrder, Order
from chalicelib.domain.quotes import Side
from chalicelib.domain.tokens import BONK, SOL, USDC
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.worker import Ack
from tests.fakes import CrashAt, MemoryLedger, new_order
from tests.fakes.engine import Engine
from tests.fakes.market import a_market, a_router


def executed(order: NewOrder) -> Order:
    """The order after one delivery of its message."""
    engine = Engine()
    market = a_market(engine.clock, delay_scale=0)
    router = a_router(market, CrashAt())
    chain = SimulatedChain(market, MemoryLedger(engine.clock))
    worker = replace(engine.worker(), router=router, swaps=router, chain=chain)
    order_id = engine.place(order).id
    assert engine.run(order_id, worker) == Ack()
    return engine.order(order_id)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("amount", [*range(1, 16), 60, 61, 600, 6_060])
def test_dust_settles_or_is_refused_at_once(side: Side, amount: int) -> None:
    input_token, output_token = (SOL, USDC) if side is Side.SELL else (BONK, SOL)
    for slippage_bps in (0, 50):
        dust = new_order(amount=amount, side=side, slippage_bps=slippage_bps)
        order = executed(replace(dust, input_token=input_token, output_token=output_token))
        assert order.attempt == 1
        if order.status is OrderStatus.CONFIRMED:
            assert order.fill is not None
            assert min(order.fill.amount_in, order.fill.amount_out) > 0
        else:
            assert order.failure is not None
            assert order.failure.code is ErrorCode.AMOUNT_TOO_SMALL


def test_ten_lamports_are_worth_one_unit_and_settle_for_it() -> None:
    order = executed(new_order(amount=10))
    assert order.status is OrderStatus.CONFIRMED
    assert order.fill is not None
    assert (order.fill.amount_in, order.fill.amount_out) == (10, 1)
    assert order.route is not None
    assert order.route.chosen.price_impact_pct == 0


@pytest.mark.parametrize("sol", [1_000_000, 9_000_000])
def test_a_whole_market_is_sold_only_to_who_says_so(sol: int) -> None:
    whale = new_order(amount=sol * 10**9)
    refused = executed(whale)
    assert (refused.status, refused.attempt, refused.transaction) == (OrderStatus.FAILED, 1, None)
    assert refused.failure is not None
    assert refused.failure.code is ErrorCode.PRICE_IMPACT_TOO_HIGH
    assert executed(replace(whale, max_price_impact_bps=10_000)).status is OrderStatus.CONFIRMED
