"""Seeded chance, scaled delays and the time of the simulated market."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.config import Fault, SimulationSettings
from chalicelib.simulation.launches import LaunchPlan
from chalicelib.simulation.prices import Prices


@dataclass(frozen=True, slots=True)
class Simulation:
    """The same seed gives the same chance."""

    settings: SimulationSettings
    now: Callable[[], datetime]
    sleep: Callable[[float], None]

    @property
    def prices(self) -> Prices:
        """The middle of the market."""
        return Prices(str(self.settings.market_seed), self.settings.volatility)

    @property
    def launches(self) -> LaunchPlan:
        """What is launched when."""
        return LaunchPlan(self.prices, self.settings.launch_seconds, self.settings.faults)

    def second(self) -> int:
        """The present second: everything within it trades on the same market."""
        return int(self.now().timestamp())

    def chance(self, *seed: object) -> random.Random:
        """A generator that depends on the seed alone."""
        return random.Random(":".join(str(part) for part in seed))

    def injects(self, fault: Fault, *seed: object) -> bool:
        """Whether the fault happens to what the seed names."""
        rate = self.settings.faults.get(fault, 0)
        return rate > 0 and self.chance(fault, *seed).random() < rate

    def delay(self, low: float, high: float, *seed: object) -> float:
        """Seconds between the two, scaled by the setting."""
        return self.chance("delay", *seed).uniform(low, high) * self.settings.delay_scale

    def wait(self, low: float, high: float, *seed: object) -> None:
        """Lets as much time pass."""
        self.sleep(self.delay(low, high, *seed))
