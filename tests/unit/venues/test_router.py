"""Asking every venue at once, within a deadline."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from chalicelib.domain.errors import ErrorCode, Rejected, Retryable, VenueError
from chalicelib.domain.order import Order, SignedTransaction
from chalicelib.domain.quotes import VENUES, NoQuote, Quote, QuoteRequest, Route, Side, Venue
from chalicelib.domain.tokens import SOL, USDC
from chalicelib.domain.transitions import OrderStatus
from chalicelib.venues.router import VenueRouter
from tests.fakes import CrashAt, Killed, RecordingTelemetry, a_quote, an_order
from tests.fakes.builders import METEORA, RAYDIUM

REQUEST = QuoteRequest(SOL, USDC, Side.SELL, 1_000_000_000, "seed")


@dataclass
class ScriptedVenue:
    """A venue that does what it is told."""

    name: Venue
    answer: Callable[[QuoteRequest], Quote]
    asked: list[QuoteRequest] = field(default_factory=list)

    def quote(self, request: QuoteRequest) -> Quote:
        self.asked.append(request)
        return self.answer(request)

    def build(self, order: Order, route: Route, height: int) -> SignedTransaction:
        return SignedTransaction(f"{self.name} at {height}", order.id.encode(), height + 1)


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """What a hanging venue waits for; set in the end, so that its thread is free again."""
    event = threading.Event()
    yield event
    event.set()


def quoting(venue: Venue) -> ScriptedVenue:
    return ScriptedVenue(venue, lambda _: a_quote(venue))


def failing(venue: Venue, error: BaseException) -> ScriptedVenue:
    def answer(_: QuoteRequest) -> Quote:
        raise error

    return ScriptedVenue(venue, answer)


def hanging(venue: Venue, until: threading.Event) -> ScriptedVenue:
    def answer(_: QuoteRequest) -> Quote:
        until.wait(30)
        return a_quote(venue)

    return ScriptedVenue(venue, answer)


def test_one_answer_a_venue_in_a_fixed_order() -> None:
    venues = [quoting(METEORA), quoting(RAYDIUM)]
    answers = VenueRouter(venues, CrashAt(), RecordingTelemetry()).quotes(REQUEST)
    assert [answer.venue for answer in answers] == [METEORA, RAYDIUM]
    assert [venue.asked for venue in venues] == [[REQUEST], [REQUEST]]


def test_the_venues_are_asked_at_once() -> None:
    both = threading.Barrier(2)

    def answer(_: QuoteRequest) -> Quote:
        both.wait(10)
        return a_quote()

    venues = [ScriptedVenue(venue, answer) for venue in (RAYDIUM, METEORA)]
    router = VenueRouter(venues, CrashAt(), RecordingTelemetry(), deadline=10)
    assert all(isinstance(answer, Quote) for answer in router.quotes(REQUEST))


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (Retryable(ErrorCode.NO_QUOTE, "Not now."), True),
        (Rejected(ErrorCode.INSUFFICIENT_LIQUIDITY, "Never."), False),
    ],
)
def test_a_venue_that_refuses_does_not_keep_the_other_from_trading(error: VenueError, retryable: bool) -> None:
    answers = VenueRouter([failing(RAYDIUM, error), quoting(METEORA)], CrashAt(), RecordingTelemetry()).quotes(REQUEST)
    assert answers == [NoQuote(RAYDIUM, error.code, error.message, retryable), a_quote(METEORA)]


@pytest.mark.parametrize("position", [0, 1])
def test_a_venue_that_hangs_does_not_keep_the_other_from_trading(never: threading.Event, position: int) -> None:
    venues = [quoting(METEORA)]
    venues.insert(position, hanging(RAYDIUM, never))
    answers = VenueRouter(venues, CrashAt(), RecordingTelemetry(), deadline=0.5).quotes(REQUEST)
    hung = answers[position]
    assert isinstance(hung, NoQuote)
    assert (hung.venue, hung.code, hung.retryable) == (RAYDIUM, ErrorCode.QUOTE_TIMEOUT, True)
    assert hung.message == "No answer within 0.5 s."
    assert answers[1 - position] == a_quote(METEORA)


def test_hanging_venues_do_not_block_the_next_orders(never: threading.Event) -> None:
    router = VenueRouter([hanging(RAYDIUM, never), quoting(METEORA)], CrashAt(), RecordingTelemetry(), deadline=0.5)
    for _ in range(2):
        answers = router.quotes(REQUEST)
        assert isinstance(answers[0], NoQuote)
        assert answers[1] == a_quote(METEORA)


def test_a_defect_of_one_venue_is_told_and_does_not_keep_the_other_from_trading() -> None:
    telemetry = RecordingTelemetry()
    venues = [failing(RAYDIUM, ZeroDivisionError("secret")), quoting(METEORA)]
    answers = VenueRouter(venues, CrashAt(), telemetry).quotes(REQUEST)
    broken = NoQuote(RAYDIUM, ErrorCode.NO_QUOTE, "An internal error (ZeroDivisionError).", retryable=True)
    assert answers == [broken, a_quote(METEORA)]
    assert [(event, type(error)) for event, error in telemetry.exceptions] == [("venue_broke", ZeroDivisionError)]


@pytest.mark.parametrize("venue", VENUES)
def test_there_is_a_crash_point_behind_each_quote(venue: Venue) -> None:
    crash = CrashAt(f"after_quote_{venue}")
    with pytest.raises(Killed):
        VenueRouter([quoting(one) for one in VENUES], crash, RecordingTelemetry()).quotes(REQUEST)


def test_the_chosen_venue_builds_and_no_other() -> None:
    router = VenueRouter([quoting(venue) for venue in VENUES], CrashAt(), RecordingTelemetry())
    order = an_order(OrderStatus.BUILDING)
    assert order.route is not None
    built = router.build_swap(order, order.route, 7)
    assert built == SignedTransaction(f"{order.route.chosen.venue} at 7", order.id.encode(), 8)


def test_a_venue_that_no_longer_trades_sends_the_order_back_to_the_others() -> None:
    router = VenueRouter([quoting(RAYDIUM)], CrashAt(), RecordingTelemetry())
    order = an_order(OrderStatus.BUILDING)
    assert order.route is not None
    with pytest.raises(Retryable, match="meteora is no longer traded on"):
        router.build_swap(order, order.route, 7)
