"""The simulated world as the orders of a run need it, and as its audit knows it: prices and launches of any second."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from fractions import Fraction
from importlib import import_module

from chalicelib.config import SimulationSettings
from chalicelib.domain.amounts import to_base_units
from chalicelib.domain.limits import full_price, in_display_units
from chalicelib.domain.quotes import VENUES, Quote, QuoteRequest, Side
from chalicelib.domain.tokens import find_token
from chalicelib.simulation.chance import Simulation
from chalicelib.venues.simulated.market import SimulatedMarket
from localstack.chaos.records import EventRecord, Market, OrderRecord, Pool

_DIGITS = Context(prec=9)


@dataclass(frozen=True)
class SwapSize:
    """A pair, a side and how much in base units: what a market pays for."""

    input_token: str
    output_token: str
    side: str
    amount: int


class World:
    """What the venues would say at any second, without their delays and faults."""

    def __init__(self, parameters: dict[str, str]) -> None:
        settings = SimulationSettings.from_environment(
            {
                "SIMULATED_VOLATILITY": parameters.get("SimulatedVolatility", ""),
                "SIMULATED_LAUNCH_SECONDS": parameters.get("SimulatedLaunchSeconds", ""),
            }
        )
        self._simulation = Simulation(settings, now=lambda: datetime.now(UTC), sleep=time.sleep)
        venues = [import_module(f"chalicelib.venues.{name}").connect(self._simulation) for name in VENUES]
        self._market = SimulatedMarket(self._simulation, venues)

    def pays(self, size: SwapSize, second: float) -> Fraction | None:
        """The full-size price at the better venue, output per input after fees; None where nobody quotes."""
        one, other = find_token(size.input_token), find_token(size.output_token)
        if one is None or other is None:
            return None
        request = QuoteRequest(one, other, Side(size.side), size.amount, "chaos")
        quotes = self._market.preview(request, datetime.fromtimestamp(second, UTC))
        best = max((full_price(quote) for quote in quotes if isinstance(quote, Quote)), default=None)
        return None if best is None else in_display_units(best, one, other)

    def base_units(self, amount: str, token: str) -> int:
        """Whole units of a token that is listed."""
        found = find_token(token)
        if found is None:
            raise ValueError(f"{token} is not listed.")
        return to_base_units(Decimal(amount), found)

    def limit(self, size: SwapSize, second: float, away_bps: int) -> Decimal:
        """A price so far from what is paid at the second. Raises ValueError where nothing is."""
        price = self.pays(size, second)
        if price is None:
            raise ValueError(f"Nobody trades {size}.")
        price = price * (10_000 + away_bps) / 10_000
        return _DIGITS.divide(Decimal(price.numerator), Decimal(price.denominator))

    def upcoming(self, second: float, within: int) -> list[str]:
        """Tokens whose launch comes so soon, forked ones too."""
        return [each.token.symbol for each in self._simulation.launches.between(int(second) + 2, int(second) + within)]

    def record(self, orders: tuple[OrderRecord, ...], events: tuple[EventRecord, ...], until: float) -> Market:
        """What was paid while orders rested, and what was launched."""
        first = min((order.created_at for order in orders), default=until)
        launched = self._market.launches(
            datetime.fromtimestamp(first - 600, UTC), datetime.fromtimestamp(until + 1, UTC)
        )
        pools = {
            launch.pool: Pool(str(launch.token), launch.confirmed_at.timestamp(), launch.opens_at.timestamp())
            for launch in launched
        }
        return Market({order.id: self._paid(order, events) for order in orders if order.order_type == "limit"}, pools)

    def _paid(self, order: OrderRecord, events: tuple[EventRecord, ...]) -> frozenset[int]:
        history = sorted((event for event in events if event.order_id == order.id), key=lambda event: event.sequence)
        size = SwapSize(order.input_token, order.output_token, order.side, order.amount)
        paid: set[int] = set()
        limit = order.limit_price
        # From the last event back: an amendment says what the limit was before.
        end = order.updated_at
        for event in reversed(history):
            if event.status == "waiting" and limit is not None:
                seconds = range(int(event.at), int(end) + 1)
                least = Fraction(limit)
                paid.update(one for one in seconds if (price := self.pays(size, one)) is not None and price >= least)
            changed = event.meta.get("changed")
            if isinstance(changed, dict) and "limitPrice" in changed:
                limit = Decimal(changed["limitPrice"]["from"])
            end = event.at
        return frozenset(paid)
