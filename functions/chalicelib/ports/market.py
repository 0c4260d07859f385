"""Prices and launches, as they are at a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Protocol

from chalicelib.domain.launches import Launch
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Venue
from chalicelib.domain.tokens import Token


class Market(Protocol):
    """Prices as they are at a moment, with no delay: what resting orders are compared with.

    A real one reads the pools' accounts, as keepers do.
    """

    def touches(self, input_token: Token, output_token: Token, at: datetime) -> Mapping[Venue, Fraction]:
        """What each venue pays for an infinitely small amount after fees, in base units; empty where nobody trades."""

    def preview(self, request: QuoteRequest, at: datetime) -> list[Quote | NoQuote]:
        """Each venue's quote for the full size, as its router would get it."""

    def bound(self, request: QuoteRequest, limit: Fraction, at: datetime) -> Fraction:
        """The lowest touch at which the full size could be worth the limit: below it nobody needs to look."""

    def launches(self, since: datetime, until: datetime) -> Sequence[Launch]:
        """Confirmed pools of new tokens with events in this time, as they stand at `until`, oldest first.

        The same pool may be there twice, under two event ids.
        """

    def upcoming(self, at: datetime, count: int) -> Sequence[Launch]:
        """What will be launched next, where somebody knows."""

    def launched(self, token: Token, at: datetime) -> Launch | None:
        """The confirmed pool of this new token, if it has one by then."""
