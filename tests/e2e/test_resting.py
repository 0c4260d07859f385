"""Limit orders on the deployed stack. The market is a function of time: a test looks ahead and knows when one fires."""

import json
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from importlib import import_module
from typing import Any

from chalicelib.config import SimulationSettings
from chalicelib.domain.limits import full_price, in_display_units
from chalicelib.domain.quotes import VENUES, Quote, QuoteRequest, Side
from chalicelib.domain.tokens import SOL, USDC
from chalicelib.venues.simulation.chance import Simulation
from chalicelib.venues.simulation.market import SimulatedMarket
from localstack.local_stack.stack_for_tests import Stack

TEN_SOL = 10_000_000_000
LOOKS_AHEAD = 40
ORDER = {
    "userId": "resting",
    "walletAddress": "wallet",
    "inputToken": "SOL",
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


def pays(at: datetime) -> Decimal:
    """USDC for each of ten SOL, as the better venue pays at this second."""
    quotes = market().preview(QuoteRequest(SOL, USDC, Side.SELL, TEN_SOL, "ahead"), at)
    best = max(full_price(quote) for quote in quotes if isinstance(quote, Quote))
    price = in_display_units(best, SOL, USDC)
    return (Decimal(price.numerator) / price.denominator).quantize(Decimal("0.000001"), ROUND_FLOOR)


def a_limit_of_soon() -> tuple[Decimal, datetime]:
    """A price that the market does not pay for some seconds, and when it does."""
    for _ in range(60):
        now = datetime.now(UTC).replace(microsecond=0)
        ahead = [pays(now + timedelta(seconds=second)) for second in range(LOOKS_AHEAD)]
        for second in range(6, LOOKS_AHEAD):
            if ahead[second] > max(ahead[:second]):
                return ahead[second], now + timedelta(seconds=second)
        time.sleep(1)
    raise AssertionError("The market fell for a minute.")


def test_a_limit_order_fires_when_the_market_pays_its_limit_and_no_sooner(stack: Stack) -> None:
    limit, due = a_limit_of_soon()
    order_id = call(stack, "POST", "/api/orders/execute", {**ORDER, "amount": "10", "limitPrice": str(limit)})[
        "orderId"
    ]
    give_up = time.monotonic() + 90
    fired: list[dict[str, Any]] = []
    while not fired:
        assert time.monotonic() < give_up, call(stack, "GET", f"/api/orders/{order_id}")
        time.sleep(0.3)
        events = call(stack, "GET", f"/api/orders/{order_id}/events")["events"]
        fired = [event for event in events if "trigger" in event["meta"]]
    assert [event["status"] for event in events[:2]] == ["waiting", "pending"]
    assert datetime.fromisoformat(fired[0]["meta"]["trigger"]["at"]) >= due
    assert Decimal(fired[0]["meta"]["trigger"]["price"]) >= limit


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
