"""The simulated market: reference prices, how deep the pools are, how far the venues are apart."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from chalicelib.domain.tokens import Token
from chalicelib.venues.simulation.chance import Simulation

# US dollars for one token: the middle of the simulated market.
REFERENCE_USD: Mapping[str, Decimal] = {
    "SOL": Decimal("165.25"),
    "WSOL": Decimal("165.25"),
    "USDC": Decimal(1),
    "USDT": Decimal("0.9998"),
    "JUP": Decimal("0.4125"),
    "BONK": Decimal("0.00001475"),
    "RAY": Decimal("2.315"),
}
# Each pool holds this much of either token.
POOL_DEPTH_USD = Decimal(25_000_000)


def reference_price(input_token: Token, output_token: Token) -> Decimal:
    """Output base units per input base unit in the middle of the market."""
    display = REFERENCE_USD[input_token.symbol] / REFERENCE_USD[output_token.symbol]
    return display.scaleb(output_token.decimals - input_token.decimals)


def depth(token: Token) -> int:
    """Base units of the token that a pool holds."""
    return int((POOL_DEPTH_USD / REFERENCE_USD[token.symbol]).scaleb(token.decimals))


def skew(simulation: Simulation, reference: str) -> Decimal:
    """By how much the venues' middles differ for a question, 2.3 to 4.7 %, either way: 2–5 % after fees."""
    generator = simulation.chance("skew", reference)
    size = Decimal(generator.randint(230, 470)) / 10_000
    return size if generator.random() < 0.5 else -size
