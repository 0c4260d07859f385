"""What the market pays and paid, and what was launched: the same prices that resting orders are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from chalicelib.domain.launches import Launch
from chalicelib.domain.quotes import Venue
from chalicelib.domain.tokens import Token
from chalicelib.ports.market import Market

LAUNCHES_A_PAGE = 50
UPCOMING = 10
# A page looks back so far at most; where nothing is launched, it ends there.
LOOKS_BACK = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class PricePoint:
    """What each venue paid at a moment for an infinitely small amount, after fees, in base units."""

    at: datetime
    venues: Mapping[Venue, Fraction]

    @property
    def best(self) -> Fraction | None:
        """The best of them; None where nobody trades."""
        return max(self.venues.values(), default=None)


def prices(input_token: Token, output_token: Token, moments: list[datetime], *, market: Market) -> list[PricePoint]:
    """The pair's prices at each of the moments, in their order."""
    return [PricePoint(at, market.touches(input_token, output_token, at)) for at in moments]


@dataclass(frozen=True, slots=True)
class Launches:
    """Confirmed launches, newest first; `before` is where the next page goes on, None where there is nothing more."""

    launches: list[Launch]
    upcoming: list[Launch]
    before: datetime | None


def launches(now: datetime, before: datetime | None, *, market: Market) -> Launches:
    """A page of what was launched, with what comes next on the first page."""
    until = min(before or now, now)
    since = until - LOOKS_BACK
    seen: dict[str, Launch] = {}
    for launch in market.launches(since, until):
        if before is None or launch.confirmed_at < before:
            seen.setdefault(launch.pool, launch)
    newest = sorted(seen.values(), key=lambda launch: (launch.confirmed_at, launch.pool), reverse=True)
    page = newest[:LAUNCHES_A_PAGE]
    more = page[-1].confirmed_at if len(newest) > len(page) else (since if page else None)
    upcoming = list(market.upcoming(now, UPCOMING)) if before is None else []
    return Launches(page, upcoming, more)
