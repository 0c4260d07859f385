"""A dry run: every venue's quotes and the choice, nothing executed."""

from __future__ import annotations

from chalicelib.domain.quotes import QuoteRequest, Route, choose_route
from chalicelib.ports.venues import Router


def quote_pair(request: QuoteRequest, slippage_bps: int, max_price_impact_bps: int, *, router: Router) -> Route:
    """What an order would be routed to right now.

    Raises:
        PriceImpactTooHigh: every quote moves the market further.
        VenueError: no venue gives a quote.
    """
    return choose_route(request, router.quotes(request), slippage_bps, max_price_impact_bps)
