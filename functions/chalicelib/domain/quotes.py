"""Quotes, and the choice between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final, TypeAlias

from chalicelib.domain.amounts import maximum_input, minimum_output, plain, price
from chalicelib.domain.errors import ErrorCode, LimitNotMet, PriceImpactTooHigh, Rejected, Retryable, VenueError
from chalicelib.domain.tokens import Token

# How far an order may move the market unless its client says otherwise.
DEFAULT_MAX_PRICE_IMPACT_BPS = 1_500


class Side(StrEnum):
    """`sell` spends exactly the amount of the input token; `buy` receives exactly the amount of the output token."""

    SELL = "sell"
    BUY = "buy"


# A decentralised exchange, by its name.
Venue: TypeAlias = str

# The venues that trade, in the order that decides a tie. A name stands here and nowhere else: `chalicelib.venues` has a
# module called after it.
VENUES: Final[tuple[Venue, ...]] = ("raydium", "meteora")


@dataclass(frozen=True, slots=True)
class QuoteRequest:
    """What a venue is asked: `amount` in base units, of the input token (sell) or the output token (buy).

    `reference` names the question towards the venue: it is the same where a question is repeated.
    """

    input_token: Token
    output_token: Token
    side: Side
    amount: int
    reference: str


@dataclass(frozen=True, slots=True)
class Quote:
    """A venue's answer: base units in and out, the fee included in `amount_in`, the impact in percent."""

    venue: Venue
    amount_in: int
    amount_out: int
    fee: int
    price_impact_pct: Decimal
    expires_at: datetime

    def effective_price(self, request: QuoteRequest) -> Decimal:
        """Output per input after fees, in display units."""
        return price(self.amount_in, request.input_token, self.amount_out, request.output_token)


@dataclass(frozen=True, slots=True)
class NoQuote:
    """A venue that gave no quote, and why."""

    venue: Venue
    code: ErrorCode
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Route:
    """The decision: every answer, the chosen quote, why, and the limits within which it may settle."""

    chosen: Quote
    quotes: tuple[Quote, ...]
    unavailable: tuple[NoQuote, ...]
    reason: str
    minimum_output: int
    maximum_input: int
    steps: tuple[str, ...]

    @property
    def spread_bps(self) -> int | None:
        """How far apart the venues' effective prices are, in basis points of the worse; None with one quote."""
        if len(self.quotes) < 2:
            return None
        rates = sorted(Decimal(quote.amount_out) / quote.amount_in for quote in self.quotes)
        return int((rates[-1] / rates[0] - 1) * 10_000)


@dataclass(frozen=True, slots=True)
class Limits:
    """Within what a quote may settle, in base units of the output and of the input token."""

    minimum_output: int
    maximum_input: int

    def admits(self, quote: Quote) -> bool:
        """Whether the quote is at these limits or better."""
        return quote.amount_out >= self.minimum_output and quote.amount_in <= self.maximum_input


def limits_of(quote: Quote, side: Side, slippage_bps: int) -> Limits:
    """The exact side of a swap has no slack; the other has the slippage."""
    if side is Side.SELL:
        return Limits(minimum_output(quote.amount_out, slippage_bps), quote.amount_in)
    return Limits(quote.amount_out, maximum_input(quote.amount_in, slippage_bps))


def choose_route(
    request: QuoteRequest,
    answers: list[Quote | NoQuote],
    slippage_bps: int,
    max_price_impact_bps: int = DEFAULT_MAX_PRICE_IMPACT_BPS,
    *,
    guard: Limits | None = None,
) -> Route:
    """The better effective price after fees wins; on a tie, the order in which the venues were asked.

    A quote whose price impact is above the maximum is never chosen, however good its price. A `guard` takes the place
    of the slippage: the best quote must be within it, and it is the route's limits.

    Raises:
        LimitNotMet: it is not.
        PriceImpactTooHigh: that goes for every quote.
        Rejected: every venue refused for good.
        Retryable: no venue answered with a quote, but one may next time.
    """
    quotes = tuple(answer for answer in answers if isinstance(answer, Quote))
    unavailable = tuple(answer for answer in answers if isinstance(answer, NoQuote))
    if not quotes:
        raise _nobody_quotes(unavailable)
    eligible = [quote for quote in quotes if quote.price_impact_pct * 100 <= max_price_impact_bps]
    if not eligible:
        raise _impact_too_high(quotes, max_price_impact_bps)
    best = min(eligible, key=lambda quote: _preference(quote, request.side))
    if guard is not None and not guard.admits(best):
        best_price = best.effective_price(request)
        sentence = f"{best.venue} is the best with {best_price:f} {request.output_token} per {request.input_token}."
        raise LimitNotMet(sentence, Fraction(best.amount_out, best.amount_in))
    limits = guard or limits_of(best, request.side, slippage_bps)
    return Route(
        chosen=best,
        quotes=quotes,
        unavailable=unavailable,
        reason=_reason(request, best, quotes, eligible, unavailable),
        minimum_output=limits.minimum_output,
        maximum_input=limits.maximum_input,
        steps=_steps(request, best.venue),
    )


def _preference(quote: Quote, side: Side) -> int:
    return -quote.amount_out if side is Side.SELL else quote.amount_in


def _reason(
    request: QuoteRequest,
    best: Quote,
    quotes: tuple[Quote, ...],
    eligible: list[Quote],
    unavailable: tuple[NoQuote, ...],
) -> str:
    if len(quotes) == 1:
        missing = ", ".join(f"{answer.venue}: {answer.message}" for answer in unavailable)
        return f"{best.venue} is the only venue with a quote ({missing})."
    others = ", ".join(
        f"{quote.venue} {quote.effective_price(request):f}"
        + ("" if quote in eligible else f" with too high a price impact ({plain(quote.price_impact_pct)} %)")
        for quote in quotes
        if quote is not best
    )
    pair = f"{request.output_token} per {request.input_token}"
    return f"{best.venue} gives {best.effective_price(request):f} {pair} after fees, {others}."


def _steps(request: QuoteRequest, venue: Venue) -> tuple[str, ...]:
    wrap = ("wrap SOL",) if request.input_token.native else ()
    unwrap = ("unwrap SOL",) if request.output_token.native else ()
    source = "WSOL" if request.input_token.native else request.input_token.symbol
    target = "WSOL" if request.output_token.native else request.output_token.symbol
    return (*wrap, f"swap {source} for {target} on {venue}", *unwrap)


def _impact_too_high(quotes: tuple[Quote, ...], max_price_impact_bps: int) -> PriceImpactTooHigh:
    least = min(quotes, key=lambda quote: quote.price_impact_pct)
    allowed = plain(Decimal(max_price_impact_bps).scaleb(-2))
    return PriceImpactTooHigh(
        f"The swap would move the price by {plain(least.price_impact_pct)} % on {least.venue}; "
        f"maxPriceImpactBps allows {allowed} %. Swap less at a time, or allow more.",
        least.price_impact_pct,
    )


def _nobody_quotes(unavailable: tuple[NoQuote, ...]) -> VenueError:
    reasons = " ".join(f"{answer.venue}: {answer.message}" for answer in unavailable)
    if any(answer.retryable for answer in unavailable) or not unavailable:
        return Retryable(ErrorCode.NO_QUOTE, f"No venue gave a quote. {reasons}".strip())
    return Rejected(unavailable[0].code, f"No venue can fill this order. {reasons}")
