"""The venues: one connector each, the router that asks them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.domain.order import Order, SignedTransaction
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Route, Venue


class Router(Protocol):
    """Asks every venue at once."""

    @property
    def venues(self) -> Sequence[Venue]:
        """The venues that are asked, in the order that decides a tie."""

    def quotes(self, request: QuoteRequest) -> list[Quote | NoQuote]:
        """One answer a venue, in the order of `venues`, within a deadline."""


class SwapBuilder(Protocol):
    """Builds swaps on the venue that a route chose."""

    def build_swap(self, order: Order, route: Route, height: int) -> SignedTransaction:
        """The signed bytes of one swap, which stay valid for a while from this height of the chain on.

        Nothing is sent. Raises `VenueError`.
        """


class VenueConnector(Protocol):
    """One venue: `venues` has a module for each. Both calls raise `VenueError`."""

    @property
    def name(self) -> Venue: ...

    def quote(self, request: QuoteRequest) -> Quote:
        """What the venue gives or takes right now."""

    def build(self, order: Order, route: Route, height: int) -> SignedTransaction:
        """As `SwapBuilder.build_swap`."""
