"""A third venue is one module and one name: everything else takes it as it is."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from types import ModuleType, SimpleNamespace

import pytest

from chalicelib import bootstrap
from chalicelib.chain.simulated import SimulatedChain
from chalicelib.domain import quotes
from chalicelib.domain.amounts import BPS
from chalicelib.domain.quotes import QuoteRequest, Side
from chalicelib.domain.tokens import SOL, USDC
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.views import order_view
from chalicelib.services.worker import Ack
from chalicelib.simulation import launches
from chalicelib.venues.pools.constant_product import ConstantProductPool
from chalicelib.venues.pools.swap import PoolSwap
from chalicelib.venues.simulated.venue import SimulatedVenue
from tests.fakes import MemoryLedger, new_order
from tests.fakes.builders import METEORA, RAYDIUM
from tests.fakes.engine import Engine
from tests.fakes.market import a_market

# No venue is called so, however many trade.
THIRD = "third"

# What the new module would hold.


class ThirdVenue(SimulatedVenue):
    """Deeper than the others, and a tenth dearer or cheaper as the test wants."""

    name = THIRD
    lean = 0
    fee = Fraction(5, 10_000)
    premium_bps = 1_000

    def trade(self, request: QuoteRequest, price: Fraction, at: int) -> PoolSwap:
        reserve_in = self.reserve(request, request.input_token, at)
        reserve_out = int(reserve_in * price * (BPS + self.premium_bps) / BPS)
        pool = ConstantProductPool(reserve_in=reserve_in, reserve_out=reserve_out, trade_fee_rate=500)
        if request.side is Side.SELL:
            return pool.swap_exact_in(request.amount)
        return pool.swap_exact_out(request.amount)


# Until here.


@dataclass
class Desk:
    """An engine on the registered venues and the simulated chain."""

    engine: Engine
    ledger: MemoryLedger


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """With the module in the room, and its name in the register."""
    engine = Engine()
    module = ModuleType(f"chalicelib.venues.{THIRD}")
    module.connect = ThirdVenue  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(quotes, "VENUES", (RAYDIUM, METEORA, THIRD))
    market = a_market(engine.clock, delay_scale=0)
    monkeypatch.setattr(bootstrap, "simulation", lambda: market)
    bootstrap.router.cache_clear()
    bootstrap.market.cache_clear()
    yield Desk(engine, MemoryLedger(engine.clock))
    bootstrap.router.cache_clear()
    bootstrap.market.cache_clear()


@pytest.mark.parametrize("side", Side)
def test_it_is_asked_chosen_told_of_and_traded_on(desk: Desk, side: Side) -> None:
    engine, router = desk.engine, bootstrap.router()
    chain = SimulatedChain(a_market(engine.clock, delay_scale=0), desk.ledger)
    worker = replace(engine.worker(), router=router, swaps=router, chain=chain)
    order_id = engine.place(new_order(side=side, amount=1_000_000_000 if side is Side.SELL else 165_000_000)).id
    assert engine.run(order_id, worker) == Ack()
    order = engine.order(order_id)
    assert order.status is OrderStatus.CONFIRMED
    messages = [event.message for event in engine.history(order_id).events]
    assert messages[1] == "Asking Raydium, Meteora and Third for quotes."
    assert messages[2].startswith("Route chosen: third gives ")
    assert ", raydium " in messages[2]
    assert ", meteora " in messages[2]
    assert order.route is not None
    assert [quote.venue for quote in order.route.quotes] == [RAYDIUM, METEORA, THIRD]
    assert order.route.steps[1] == "swap WSOL for USDC on third"
    assert order_view(order)["chosenDex"] == THIRD
    assert order.fill is not None
    # Its own program's fee, on what really went in.
    assert order.fill.fee == -(-order.fill.amount_in * 500 // 1_000_000)
    assert [entry.entry.venue for entry in desk.ledger.known.values()] == [THIRD]
    assert desk.ledger.settled() == [order.fill]


def test_where_it_is_dearer_the_others_trade(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ThirdVenue, "premium_bps", -1_000)
    request = QuoteRequest(SOL, USDC, Side.SELL, 1_000_000_000, "quote:1")
    answers = bootstrap.router().quotes(request)
    assert quotes.choose_route(request, answers, 50).chosen.venue != THIRD


def test_resting_orders_are_compared_with_it_and_tokens_launched_on_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launches, "VENUES", quotes.VENUES)
    at = desk.engine.clock.now()
    assert set(bootstrap.market().touches(SOL, USDC, at)) == {RAYDIUM, METEORA, THIRD}
    plan = a_market(desk.engine.clock, launch_seconds=60).launches
    assert {plan.numbered(number).venue for number in range(50)} == {RAYDIUM, METEORA, THIRD}


def test_one_that_only_quotes_and_builds_serves_market_orders(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = ThirdVenue(bootstrap.simulation())
    real = SimpleNamespace(name=THIRD, quote=simulated.quote, build=simulated.build)
    monkeypatch.setattr(sys.modules[f"chalicelib.venues.{THIRD}"], "connect", lambda _simulation: real)
    assert bootstrap.router().venues == (RAYDIUM, METEORA, THIRD)
    assert set(bootstrap.market().touches(SOL, USDC, desk.engine.clock.now())) == {RAYDIUM, METEORA}
