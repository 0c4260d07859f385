"""A simulated market by a fake clock."""

from chalicelib.config import Fault, SimulationSettings
from chalicelib.venues.simulation import Simulation
from tests.fakes.clock import FakeClock


def a_market(
    clock: FakeClock, *, delay_scale: float = 1, lifetime: float = 30, faults: dict[Fault, float] | None = None
) -> Simulation:
    """The market with these settings; its delays pass on the clock alone."""
    return Simulation(SimulationSettings(delay_scale, faults or {}, lifetime), now=clock.now, sleep=clock.sleep)
