"""Limit orders on the deployed stack. The market is a function of time: a test looks ahead and knows when one fires."""

import json
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from importlib import import_module
from typing import Any

import pytest

from chalicelib.config import SimulationSettings
from chalicelib.domain.amounts import plain
from chalicelib.domain.limits import full_price, in_display_units, rounded
from chalicelib.domain.quotes import VENUES, Quote, QuoteRequest, Side
from chalicelib.domain.tokens import JUP, RAY, SOL, USDC, Token
from chalicelib.http.bodies import read_order
from chalicelib.simulation.chance import Simulation
from chalicelib.venues.simulated.market import SimulatedMarket
from localstack.local_stack.stack_for_tests import Stack
from localstack.replay.reading import ReplayOrder
from localstack.replay.run import RefusedOrder, Replay, ReplayEvent, replay

LOOKS_AHEAD = 40
ORDER = {
    "userId": "resting",
    "walletAddress": "wallet",
    "outputToken": "USDC",
    "side": "sell",
    "orderType": "limit",
}


def market() -> SimulatedMarket:
    """The stack's market, with its default seed and volatility."""
    simulation = Simulation(SimulationSettings(0, {}, 30), now=lambda: datetime.now(UTC), sleep=time.sleep)
    return SimulatedMarket(
        simulation, [import_module(f"chalicelib.venues.{name}").connect(simulation) for name in VENUES]
    )


def best_price(token: Token, at: datetime) -> Fraction:
    """What ten of the token are paid at the better venue at this second."""
    ten = 10 * 10**token.decimals
    quotes = market().preview(QuoteRequest(token, USDC, Side.SELL, ten, "ahead"), at)
    return max(full_price(quote) for quote in quotes if isinstance(quote, Quote))


def shown(token: Token, at: datetime) -> str:
    """As events tell it."""
    return plain(rounded(in_display_units(best_price(token, at), token, USDC)))


def pays(token: Token, at: datetime) -> Decimal:
    """USDC for each of ten, as the better venue pays at this second."""
    price = in_display_units(best_price(token, at), token, USDC)
    return (Decimal(price.numerator) / price.denominator).quantize(Decimal("0.000001"), ROUND_FLOOR)


def limits_of_soon() -> tuple[Token, Decimal, datetime, Decimal]:
    """A token, a price that its market pays in some seconds, when that is, and one that it never pays meanwhile.

    It pays the price for four seconds: who looks in vain right before, looks again after two.
    """
    for _ in range(30):
        now = datetime.now(UTC).replace(microsecond=0)
        for token in (SOL, RAY, JUP):  # one that falls all the while is no other's trouble
            ahead = [pays(token, now + timedelta(seconds=second)) for second in range(LOOKS_AHEAD)]
            for second in range(6, LOOKS_AHEAD // 2):
                if (lasting := min(ahead[second : second + 4])) > max(ahead[:second]):
                    return token, lasting, now + timedelta(seconds=second), max(ahead) * Decimal("1.1")
        time.sleep(1)
    raise AssertionError("Three markets fell for half a minute.")


@pytest.mark.timeout(240)
def test_a_limit_order_fires_when_the_market_pays_its_limit_as_in_a_replay(stack: Stack) -> None:
    token, limit, due, unpaid = limits_of_soon()
    order = {**ORDER, "inputToken": token.symbol, "amount": "10"}
    bodies = [{**order, "limitPrice": str(price.normalize())} for price in (limit, unpaid)]
    ids = [call(stack, "POST", "/api/orders/execute", body)["orderId"] for body in bodies]
    give_up = time.monotonic() + 90
    while not (fired := triggers(stack, ids[0])):
        assert time.monotonic() < give_up, call(stack, "GET", f"/api/orders/{ids[0]}")
        time.sleep(0.3)
    assert triggers(stack, ids[1]) == []
    placed = [datetime.fromisoformat(call(stack, "GET", f"/api/orders/{each}")["createdAt"]) for each in ids]
    # The same orders at the same time on the same market.
    start, end = placed[0].replace(microsecond=0), datetime.now(UTC) + timedelta(seconds=LOOKS_AHEAD)
    wanted = [
        ReplayOrder(name, at, read_order(body, strict_wallets=False, now=at).to_order())
        for name, at, body in zip(ids, placed, bodies, strict=True)
    ]
    told = list(replay(wanted, Replay(market().simulation.settings, start), end))
    assert not any(isinstance(each, RefusedOrder) for each in told)
    replayed = [
        each.event.meta["trigger"] for each in told if isinstance(each, ReplayEvent) and "trigger" in each.event.meta
    ]
    names = {each.name for each in told if isinstance(each, ReplayEvent) and "trigger" in each.event.meta}
    assert names == {ids[0]}
    for trigger in (fired[0], replayed[0]):
        assert isinstance(trigger, dict)
        at = datetime.fromisoformat(trigger["at"])
        # A beat may come late, or have looked in vain the second before: whenever it fired, it was at what this second
        # pays, to the last digit.
        assert at >= due
        assert trigger["price"] == shown(token, at)
        assert Decimal(trigger["price"]) >= limit


def triggers(stack: Stack, order_id: str) -> list[dict[str, Any]]:
    """What made the order fire, each time."""
    events = call(stack, "GET", f"/api/orders/{order_id}/events")["events"]
    assert events[0]["status"] == "waiting"
    return [event["meta"]["trigger"] for event in events if "trigger" in event["meta"]]


def call(stack: Stack, method: str, path: str, body: object = None) -> Any:
    """The JSON of an answer."""
    request = urllib.request.Request(
        f"{stack.base_url}{path}",
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
