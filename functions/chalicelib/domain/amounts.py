"""Exact amounts: decimals at the edge, integer base units inside. No float anywhere."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

from chalicelib.domain.tokens import Token

# SPL token amounts are unsigned 64-bit integers.
MAX_BASE_UNITS = 2**64 - 1
BPS = 10_000
PRICE_DIGITS = 12
_WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN)


class InvalidAmount(ValueError):
    """The amount cannot be expressed in the token's base units; the text says why."""


def to_base_units(amount: Decimal, token: Token) -> int:
    """The amount in base units; exact.

    Raises:
        InvalidAmount: not finite, not positive, more decimals than the token has, or above u64.
    """
    if not amount.is_finite():
        raise InvalidAmount("must be a finite number")
    if amount <= 0:
        raise InvalidAmount("must be greater than zero")
    # Bounds first: scaling 1e308 or 1e-308 exactly would build needlessly long integers.
    if amount.adjusted() + token.decimals > len(str(MAX_BASE_UNITS)):
        raise InvalidAmount(f"is larger than {token.symbol} allows")
    if amount.adjusted() < -token.decimals:
        # Before normalising, which would quietly turn 1e-9999999 into zero.
        raise InvalidAmount(f"has more than the {token.decimals} decimals of {token.symbol}")
    exponent = amount.normalize(_WIDE).as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > token.decimals or len(amount.as_tuple().digits) > 60:
        raise InvalidAmount(f"has more than the {token.decimals} decimals of {token.symbol}")
    scaled = int(amount.scaleb(token.decimals, _WIDE))
    if scaled > MAX_BASE_UNITS:
        raise InvalidAmount(f"is larger than {token.symbol} allows")
    return scaled


def to_decimal(base_units: int, token: Token) -> Decimal:
    """The display amount of so many base units; exact."""
    return Decimal(base_units).scaleb(-token.decimals, _WIDE)


def format_amount(base_units: int, token: Token) -> str:
    """The display amount as a plain decimal string without trailing zeros: 1500000 USDC → "1.5"."""
    return plain(to_decimal(base_units, token))


def plain(value: Decimal) -> str:
    """A decimal without an exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def price(amount_in: int, token_in: Token, amount_out: int, token_out: Token) -> Decimal:
    """Output per input in display units, to 12 significant digits."""
    numerator = to_decimal(amount_out, token_out)
    return Context(prec=PRICE_DIGITS).divide(numerator, to_decimal(amount_in, token_in))


def minimum_output(expected: int, slippage_bps: int) -> int:
    """`⌊out · (10,000 − slippageBps) / 10,000⌋`, the threshold of Raydium's API and Meteora's SDK.

    Jupiter publishes `out − ⌊out · slippageBps / 10,000⌋`, where that is no whole number a unit more. Never 0: an
    amount of dust would be given away for nothing.
    """
    return max(expected * (BPS - slippage_bps) // BPS, 1)


def maximum_input(expected: int, slippage_bps: int) -> int:
    """`⌊in · (10,000 + slippageBps) / 10,000⌋`, as Raydium and Meteora; Orca rounds up.

    Rounded down the trader never pays past the limit. At most u64: no program takes more.
    """
    return min(expected * (BPS + slippage_bps) // BPS, MAX_BASE_UNITS)
