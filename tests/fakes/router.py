"""Quotes from a script."""

from collections.abc import Callable, Sequence

from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Side, Venue
from tests.fakes.builders import METEORA, ONE_SOL, RAYDIUM, a_quote
from tests.fakes.clock import FakeClock

Answers = list[Quote | NoQuote]


class FakeRouter:
    """`Router`: two quotes 2.4 % apart, Meteora the better, unless an attempt has other answers."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.answers: dict[int, Answers] = {}
        self.asked: list[QuoteRequest] = []
        self.venues: Sequence[Venue] = (RAYDIUM, METEORA)
        self.on_quotes: Callable[[QuoteRequest], None] = lambda _: None

    def quotes(self, request: QuoteRequest) -> Answers:
        self.asked.append(request)
        self._clock.sleep(0.2)
        self.on_quotes(request)
        attempt = int(request.reference.rpartition(":")[2]) if request.reference.startswith("ord_") else 1
        return self.answers.get(attempt, self._usual(request))

    def _usual(self, request: QuoteRequest) -> Answers:
        expires_at = self._clock.in_seconds(30)
        if request.side is Side.SELL:
            return [
                a_quote(RAYDIUM, request.amount, request.amount * 165 // 1000, expires_at=expires_at),
                a_quote(METEORA, request.amount, request.amount * 169 // 1000, expires_at=expires_at),
            ]
        return [
            a_quote(RAYDIUM, request.amount * ONE_SOL // 165_000_000, request.amount, expires_at=expires_at),
            a_quote(METEORA, request.amount * ONE_SOL // 169_000_000, request.amount, expires_at=expires_at),
        ]
