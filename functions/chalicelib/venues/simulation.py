"""What the simulated venues share: reference prices, seeded chance, scaled delays."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from chalicelib.config import Fault, SimulationSettings
from chalicelib.domain.tokens import Token

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


@dataclass(frozen=True, slots=True)
class Simulation:
    """Chance, delays and time of the simulated market; the same seed gives the same chance."""

    settings: SimulationSettings
    now: Callable[[], datetime]
    sleep: Callable[[float], None]

    def chance(self, *seed: object) -> random.Random:
        """A generator that depends on the seed alone."""
        return random.Random(":".join(str(part) for part in seed))

    def strikes(self, fault: Fault, *seed: object) -> bool:
        """Whether the fault happens to what the seed names."""
        rate = self.settings.faults.get(fault, 0)
        return rate > 0 and self.chance(fault, *seed).random() < rate

    def delay(self, low: float, high: float, *seed: object) -> float:
        """Seconds between the two, scaled by the setting."""
        return self.chance("delay", *seed).uniform(low, high) * self.settings.delay_scale

    def wait(self, low: float, high: float, *seed: object) -> None:
        """Lets as much time pass."""
        self.sleep(self.delay(low, high, *seed))


def reference_price(input_token: Token, output_token: Token) -> Decimal:
    """Output base units per input base unit in the middle of the market."""
    display = REFERENCE_USD[input_token.symbol] / REFERENCE_USD[output_token.symbol]
    return display.scaleb(output_token.decimals - input_token.decimals)


def depth(token: Token) -> int:
    """Base units of the token that a pool holds."""
    return int((POOL_DEPTH_USD / REFERENCE_USD[token.symbol]).scaleb(token.decimals))


def skew(simulation: Simulation, seed: str) -> Decimal:
    """By how much the two venues' middles differ, 2.3 to 4.7 %, either way: 2–5 % after fees."""
    generator = simulation.chance("skew", seed)
    size = Decimal(generator.randint(230, 470)) / 10_000
    return size if generator.random() < 0.5 else -size
