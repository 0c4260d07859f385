"""Virtual time, and what runs in it beside each other."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from chalicelib.domain.order import Order, SignedTransaction
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Route, Venue
from chalicelib.ports.runtime import CrashPoint, Telemetry
from chalicelib.ports.venues import VenueConnector
from chalicelib.venues.router import QUOTE_DEADLINE_SECONDS, VenueRouter

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class VirtualClock:
    """`Clock` that only moves when somebody sleeps, or when it is set."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    def set(self, moment: datetime) -> None:
        """Goes there, back too: what happens at the same time is computed one after the other."""
        self._now = moment


class _InlineExecutor(Executor):
    """Runs what it is given before it returns, in the caller's thread: the same input gives the same replay."""

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as every executor: whoever reads the future gets it
            future.set_exception(error)
        return future


class _InParallel:
    """`VenueConnector` that quotes beside the others: asked at the moment at which they are, too."""

    def __init__(self, venue: VenueConnector, clock: VirtualClock) -> None:
        self._venue = venue
        self._clock = clock
        self.answered_at = clock.now()

    @property
    def name(self) -> Venue:
        return self._venue.name

    def quote(self, request: QuoteRequest) -> Quote:
        asked_at = self._clock.now()
        try:
            return self._venue.quote(request)
        finally:
            self.answered_at = min(self._clock.now(), asked_at + timedelta(seconds=QUOTE_DEADLINE_SECONDS))
            self._clock.set(asked_at)

    def build(self, order: Order, route: Route, height: int) -> SignedTransaction:
        return self._venue.build(order, route, height)


class VirtualRouter:
    """The engine's router; a question takes as long as the slowest venue."""

    def __init__(
        self, venues: Sequence[VenueConnector], clock: VirtualClock, crash_point: CrashPoint, telemetry: Telemetry
    ) -> None:
        self._clock = clock
        self._beside = [_InParallel(venue, clock) for venue in venues]
        self._router = VenueRouter(self._beside, crash_point, telemetry, threads=_InlineExecutor())

    @property
    def venues(self) -> Sequence[Venue]:
        return self._router.venues

    def quotes(self, request: QuoteRequest) -> list[Quote | NoQuote]:
        answers = self._router.quotes(request)
        self._clock.set(max(venue.answered_at for venue in self._beside))
        return answers

    def build_swap(self, order: Order, route: Route, height: int) -> SignedTransaction:
        return self._router.build_swap(order, route, height)
