"""What the watcher, the API and tests see of the simulated market: `Market` over the simulated venues."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from chalicelib.config import Fault
from chalicelib.domain.errors import VenueError
from chalicelib.domain.launches import Launch
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Venue
from chalicelib.domain.tokens import Token
from chalicelib.simulation.chance import Simulation
from chalicelib.simulation.launches import LATE_LIQUIDITY_SECONDS, PlannedLaunch
from chalicelib.venues.pools.swap import TooLarge, TooSmall
from chalicelib.venues.simulated.venue import SimulatedVenue

# A bin of Meteora's is so wide: its price may lie anywhere within one.
MARGIN = Fraction(10, 10_000)
ROUNDS = 4
BAD_TICK_FACTOR = Fraction(11, 10)


@dataclass(frozen=True, slots=True)
class SimulatedMarket:
    """`Market`: a function of the second; no delay, and only the faults of a price feed."""

    simulation: Simulation
    venues: Sequence[SimulatedVenue]

    def touches(self, input_token: Token, output_token: Token, at: datetime) -> dict[Venue, Fraction]:
        second = int(at.timestamp())
        pair = f"{input_token}/{output_token}"
        if self.simulation.injects(Fault.FEED_DOWN, pair, second):
            return {}
        factor = BAD_TICK_FACTOR if self.simulation.injects(Fault.BAD_TICK, pair, second) else 1
        found = {}
        for venue in self.venues:
            try:
                found[venue.name] = venue.touch(input_token, output_token, second) * factor
            except VenueError:
                continue
        return found

    def preview(self, request: QuoteRequest, at: datetime) -> list[Quote | NoQuote]:
        second = int(at.timestamp())
        answers: list[Quote | NoQuote] = []
        for venue in self.venues:
            try:
                answers.append(venue.preview(request, second))
            except VenueError as error:
                answers.append(NoQuote(venue.name, error.code, error.message, error.retryable))
        return answers

    def bound(self, request: QuoteRequest, limit: Fraction, at: datetime) -> Fraction:
        """The touch at which each venue's full size would meet the limit, found on its own pool; the lowest of them."""
        bounds = [limit]
        for venue in self.venues:
            touch = limit
            try:
                for _ in range(ROUNDS):
                    swap = venue.trade(request, touch / (1 - venue.fee), int(at.timestamp()))
                    # By the impact, which knows no rounding: what of dust is rounded off would make the bound too high.
                    touch = (limit / (1 - swap.price_impact)).limit_denominator(10**30)
            except (TooLarge, TooSmall):
                continue
            bounds.append(touch)
        lowest = min(bounds[1:], default=limit)
        return lowest * (1 - MARGIN)

    def launches(self, since: datetime, until: datetime) -> list[Launch]:
        second = int(until.timestamp())
        planned = self.simulation.launches.between(int(since.timestamp()), second)
        return [launch for one in planned for launch in self._confirmed(one, second)]

    def upcoming(self, at: datetime, count: int) -> list[Launch]:
        plan = self.simulation.launches
        second = int(at.timestamp())
        planned = plan.between(second, second + (count + 2) * plan.every)
        found = (
            next(self._confirmed(one, max(one.opens_at, one.at + LATE_LIQUIDITY_SECONDS)), None) for one in planned
        )
        return [launch for launch in found if launch is not None][:count]

    def launched(self, token: Token, at: datetime) -> Launch | None:
        planned = self.simulation.launches.of(token)
        return next(self._confirmed(planned, int(at.timestamp())), None) if planned else None

    def _confirmed(self, planned: PlannedLaunch, second: int) -> Iterator[Launch]:
        """Of known programs only, and never what a fork may have undone."""
        known = {venue.name for venue in self.venues}
        return (seen.launch for seen in planned.seen(second) if seen.confirmed and seen.launch.venue in known)
