"""Asks every venue at once; one that is down, slow or broken does not keep the others from trading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait

from chalicelib.domain.errors import ErrorCode, Retryable, VenueError
from chalicelib.domain.order import Order, SignedTransaction
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Route, Venue
from chalicelib.ports.runtime import Telemetry
from chalicelib.ports.venues import VenueConnector

QUOTE_DEADLINE_SECONDS = 1.5
# A worker's batch of ten orders asks two venues each; the rest are venues that hang.
THREADS = 40


class VenueRouter:
    """`Router` and `SwapBuilder` over any number of venues."""

    def __init__(
        self,
        venues: Sequence[VenueConnector],
        crash_point: Callable[[str], None],
        telemetry: Telemetry,
        deadline: float = QUOTE_DEADLINE_SECONDS,
        threads: Executor | None = None,
    ) -> None:
        self._venues = venues
        self._crash_point = crash_point
        self._telemetry = telemetry
        self._deadline = deadline
        self._threads = threads or ThreadPoolExecutor(THREADS, thread_name_prefix="quote")

    @property
    def venues(self) -> Sequence[Venue]:
        return tuple(venue.name for venue in self._venues)

    def build_swap(self, order: Order, route: Route, height: int) -> SignedTransaction:
        for venue in self._venues:
            if venue.name == route.chosen.venue:
                return venue.build(order, route, height)
        # A deployment took it out between the quote and the build.
        raise Retryable(ErrorCode.NO_QUOTE, f"{route.chosen.venue} is no longer traded on.")

    def quotes(self, request: QuoteRequest) -> list[Quote | NoQuote]:
        asked = [(venue.name, self._threads.submit(self._ask, venue, request)) for venue in self._venues]
        wait([future for _, future in asked], timeout=self._deadline)
        return [self._answer(venue, future) for venue, future in asked]

    def _ask(self, venue: VenueConnector, request: QuoteRequest) -> Quote:
        quote = venue.quote(request)
        self._crash_point(f"after_quote_{venue.name}")
        return quote

    def _answer(self, venue: Venue, future: Future[Quote]) -> Quote | NoQuote:
        if not future.done():
            future.cancel()
            return NoQuote(venue, ErrorCode.QUOTE_TIMEOUT, f"No answer within {self._deadline:g} s.", retryable=True)
        try:
            return future.result()
        except VenueError as error:
            return NoQuote(venue, error.code, error.message, error.retryable)
        except Exception as error:  # noqa: BLE001 - a defect in one venue's adapter must not stop the others
            self._telemetry.exception("venue_broke", error, venue=venue)
            return NoQuote(venue, ErrorCode.NO_QUOTE, f"An internal error ({type(error).__name__}).", retryable=True)
