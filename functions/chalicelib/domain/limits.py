"""Limit prices: output per input after fees, for the full size. Rational arithmetic, rounded for the trader."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from chalicelib.domain.amounts import BPS, MAX_BASE_UNITS, PRICE_DIGITS, plain
from chalicelib.domain.quotes import Limits, Quote, QuoteRequest, Side
from chalicelib.domain.tokens import Token

# A limit is at most so many times the market's price, and at least so small a part of it.
BAND = 20
# Digits of what is compared in Postgres.
WIDE = 30


def in_base_units(display: Decimal | Fraction, input_token: Token, output_token: Token) -> Fraction:
    """A price in display units as output base units per input base unit."""
    return Fraction(display) * Fraction(10) ** (output_token.decimals - input_token.decimals)


def in_display_units(price: Fraction, input_token: Token, output_token: Token) -> Fraction:
    """A price in base units as people write it."""
    return price * Fraction(10) ** (input_token.decimals - output_token.decimals)


def guard_of(limit_price: Decimal, side: Side, amount: int, input_token: Token, output_token: Token) -> Limits:
    """What a limit price means for this amount of base units: a sell's output is rounded up, a buy's input down."""
    price = in_base_units(limit_price, input_token, output_token)
    if side is Side.SELL:
        return Limits(minimum_output=-(-amount * price.numerator // price.denominator), maximum_input=amount)
    maximum = amount * price.denominator // price.numerator
    return Limits(minimum_output=amount, maximum_input=min(maximum, MAX_BASE_UNITS))


def buys_nothing(
    limit_price: Decimal, side: Side, amount: int, input_token: Token, output_token: Token
) -> Decimal | None:
    """How many base units, less than one, the other token would come to at the limit; None where it is at least one."""
    price = in_base_units(limit_price, input_token, output_token)
    other = amount * price if side is Side.SELL else amount / price
    return None if other >= 1 else rounded(other, 6)


def full_price(quote: Quote) -> Fraction:
    """What a quote pays after fees, in base units."""
    return Fraction(quote.amount_out, quote.amount_in)


def distance_bps(limit: Fraction, market: Fraction) -> int:
    """How far the market has to rise to the limit, in hundredths of a percent of the market; 0 where it is met.

    Rounded to the nearest, at least 1 where it is not met.
    """
    if market >= limit:
        return 0
    return max(round((limit / market - 1) * BPS), 1)


def rounded(price: Fraction, digits: int = PRICE_DIGITS) -> Decimal:
    """A price to so many significant digits, for people."""
    return Context(prec=digits, rounding=ROUND_HALF_EVEN).divide(Decimal(price.numerator), Decimal(price.denominator))


def rounded_up(price: Fraction) -> Decimal:
    """The least decimal of 30 digits that is not below the price."""
    return Context(prec=WIDE, rounding=ROUND_CEILING).divide(Decimal(price.numerator), Decimal(price.denominator))


def rounded_down(price: Fraction) -> Decimal:
    """The largest decimal of 30 digits that is not above the price."""
    return Context(prec=WIDE, rounding=ROUND_FLOOR).divide(Decimal(price.numerator), Decimal(price.denominator))


def limit_in_words(request: QuoteRequest, limit_price: Decimal) -> str:
    """What a limit means, in both directions: `SOL pays 170 USDC or more after fees`."""
    return f"{request.input_token} pays {plain(limit_price)} {request.output_token} or more after fees"


def inverted_limit_in_words(request: QuoteRequest, limit_price: Decimal) -> str:
    """The same seen from the other side: `1 USDC for at most 0.005882352941 SOL`."""
    other = plain(rounded(1 / Fraction(limit_price), 10))
    return f"1 {request.output_token} for at most {other} {request.input_token}"
