"""A simulated market by a fake clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from importlib import import_module

from chalicelib.config import Fault, SimulationSettings
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.launches import Launch
from chalicelib.domain.limits import in_base_units
from chalicelib.domain.quotes import VENUES, NoQuote, Quote, QuoteRequest, Side, Venue
from chalicelib.domain.tokens import USDC, Token
from chalicelib.ports.runtime import CrashPoint
from chalicelib.simulation.chance import Simulation
from chalicelib.venues.router import VenueRouter
from chalicelib.venues.simulated.market import SimulatedMarket
from tests.fakes.builders import RAYDIUM
from tests.fakes.clock import FakeClock
from tests.fakes.telemetry import RecordingTelemetry


def a_market(
    clock: FakeClock,
    *,
    delay_scale: float = 1,
    lifetime: float = 30,
    faults: dict[Fault, float] | None = None,
    volatility: str = "0",
    launch_seconds: int = 0,
    seed: int = 1,
) -> Simulation:
    """The market with these settings, one that stands by itself; its delays pass on the clock alone."""
    settings = SimulationSettings(
        delay_scale,
        faults or {},
        lifetime,
        market_seed=seed,
        volatility=Decimal(volatility),
        launch_seconds=launch_seconds,
    )
    return Simulation(settings, now=clock.now, sleep=clock.sleep)


def watched(market: Simulation) -> SimulatedMarket:
    """What the watcher sees of it."""
    return SimulatedMarket(market, [import_module(f"chalicelib.venues.{name}").connect(market) for name in VENUES])


def a_router(market: Simulation, crash_point: CrashPoint) -> VenueRouter:
    """Over all registered venues, on this market."""
    venues = [import_module(f"chalicelib.venues.{name}").connect(market) for name in VENUES]
    return VenueRouter(venues, crash_point, RecordingTelemetry())


@dataclass
class ScriptedMarket:
    """`Market` of SOL and USDC from a script: what SOL pays at a second, by default 168; full size pays the touch.

    `full` is another price for the full size, `launched_pools` what was launched.
    """

    usdc: dict[int, str] = field(default_factory=dict)
    full: Mapping[int, str] = field(default_factory=dict)
    usual: str = "168"
    launched_pools: list[Launch] = field(default_factory=list)
    deepest: int = 25_000_000 * 10**6

    def price(self, prices: Mapping[int, str], pair: tuple[Token, Token], at: datetime) -> Fraction:
        second = int(at.timestamp())
        price = Fraction(prices.get(second, self.usdc.get(second, self.usual)))
        return in_base_units(price if pair[0] != USDC else 1 / price, *pair)

    def touches(self, input_token: Token, output_token: Token, at: datetime) -> Mapping[Venue, Fraction]:
        return {RAYDIUM: self.price({}, (input_token, output_token), at)}

    def preview(self, request: QuoteRequest, at: datetime) -> list[Quote | NoQuote]:
        price = self.price(self.full, (request.input_token, request.output_token), at)
        sells = request.side is Side.SELL
        amount_in = request.amount if sells else -(-request.amount * price.denominator // price.numerator)
        amount_out = int(request.amount * price) if sells else request.amount
        if amount_out > self.deepest or amount_out == 0:
            code = ErrorCode.AMOUNT_TOO_SMALL if amount_out == 0 else ErrorCode.INSUFFICIENT_LIQUIDITY
            return [NoQuote(RAYDIUM, code, "The pool does not hold enough.", retryable=False)]
        expires_at = at + timedelta(seconds=30)
        return [Quote(RAYDIUM, amount_in, amount_out, 0, Decimal(0), expires_at)]

    def bound(self, request: QuoteRequest, limit: Fraction, at: datetime) -> Fraction:
        return limit

    def launches(self, since: datetime, until: datetime) -> list[Launch]:
        return [launch for launch in self.launched_pools if since < launch.confirmed_at <= until]

    def upcoming(self, at: datetime, count: int) -> list[Launch]:
        return []

    def launched(self, token: Token, at: datetime) -> Launch | None:
        return next((one for one in self.launched_pools if one.token == token and one.confirmed_at <= at), None)
