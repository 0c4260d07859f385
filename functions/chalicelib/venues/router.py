"""Asks every venue at once; one that is down or slow does not keep the others from trading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Protocol

from chalicelib.domain.errors import ErrorCode, VenueError
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Venue

QUOTE_DEADLINE_SECONDS = 1.5
# A worker's batch of ten orders asks two venues each; the rest are venues that hang.
THREADS = 40


class QuotingVenue(Protocol):
    """The port that a real DEX fills: a quote, or a `VenueError`."""

    @property
    def venue(self) -> Venue: ...

    def quote(self, request: QuoteRequest) -> Quote: ...


class VenueRouter:
    """`Router` over any number of venues."""

    def __init__(
        self,
        venues: Sequence[QuotingVenue],
        crash_point: Callable[[str], None],
        deadline: float = QUOTE_DEADLINE_SECONDS,
    ) -> None:
        self._venues = venues
        self._crash_point = crash_point
        self._deadline = deadline
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="quote")

    def quotes(self, request: QuoteRequest) -> list[Quote | NoQuote]:
        asked = [(venue.venue, self._threads.submit(self._ask, venue, request)) for venue in self._venues]
        wait([future for _, future in asked], timeout=self._deadline)
        return [_answer(venue, future, self._deadline) for venue, future in asked]

    def _ask(self, venue: QuotingVenue, request: QuoteRequest) -> Quote:
        quote = venue.quote(request)
        self._crash_point(f"after_quote_{venue.venue}")
        return quote


def _answer(venue: Venue, future: Future[Quote], deadline: float) -> Quote | NoQuote:
    if not future.done():
        future.cancel()
        return NoQuote(venue, ErrorCode.QUOTE_TIMEOUT, f"No answer within {deadline:g} s.", retryable=True)
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, VenueError):
        return NoQuote(venue, error.code, error.message, error.retryable)
    raise error
