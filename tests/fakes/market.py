"""A simulated market by a fake clock."""

from importlib import import_module

from chalicelib.config import Fault, SimulationSettings
from chalicelib.domain.quotes import VENUES
from chalicelib.services.ports import CrashPoint
from chalicelib.venues.router import VenueRouter
from chalicelib.venues.simulation.chance import Simulation
from tests.fakes.clock import FakeClock
from tests.fakes.telemetry import RecordingTelemetry


def a_market(
    clock: FakeClock, *, delay_scale: float = 1, lifetime: float = 30, faults: dict[Fault, float] | None = None
) -> Simulation:
    """The market with these settings; its delays pass on the clock alone."""
    return Simulation(SimulationSettings(delay_scale, faults or {}, lifetime), now=clock.now, sleep=clock.sleep)


def a_router(market: Simulation, crash_point: CrashPoint) -> VenueRouter:
    """Over all registered venues, on this market."""
    venues = [import_module(f"chalicelib.venues.{name}").connect(market) for name in VENUES]
    return VenueRouter(venues, crash_point, RecordingTelemetry())
