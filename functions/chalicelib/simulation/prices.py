"""The simulated market as a function of (seed, asset, second): no state, so that every process computes the same price.

An asset's price in US dollars is `reference · exp(x)`. `x` is in whole billionths: blocks of 65,536 s end on N(0, 4 %),
and between them runs a Brownian bridge by midpoint displacement; now and then a jump decays on top of it. All of that
is integers, and the step that is not, `Decimal.exp`, is correctly rounded: the digits are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from math import isqrt

from chalicelib.domain.tokens import Token, launch_number

BLOCK_SECONDS = 65_536
HOUR_SECONDS = 3_600
KNOT_SECONDS = 60
JUMP_SECONDS = 1_200
# One hour in so many has a jump.
JUMPS_ONE_IN = 4
BILLION = 10**9
# Twelve uniform parts of 32 bits have the variance 2^64: their sum, less its mean, is N(0, 1) in units of 2^32.
PARTS = 12
UNIT = 1 << 32
# Digits of an exponential, of which 20 are shown: more than any price here is rounded to.
_EXACT = Context(prec=28)

# US dollars for one token: the middle of the market, and all of it where nothing moves.
REFERENCE_USD: Mapping[str, Decimal] = {
    "SOL": Decimal("165.25"),
    "WSOL": Decimal("165.25"),
    "USDC": Decimal(1),
    "USDT": Decimal("0.9998"),
    "JUP": Decimal("0.4125"),
    "BONK": Decimal("0.00001475"),
    "RAY": Decimal("2.315"),
}
# Each pool holds this much of either token.
POOL_DEPTH_USD = Decimal(25_000_000)


@dataclass(frozen=True, slots=True)
class Walk:
    """How an asset moves, in billionths: `step` a root of a second, `ends` at a block's ends; with jumps or without."""

    step: int
    ends: int
    jumps: bool = True


STABLE = Walk(0, 0, jumps=False)
LAUNCHED = Walk(6_000_000, 300_000_000, jumps=False)
WALKS: Mapping[str, Walk] = {
    "SOL": Walk(300_000, 40_000_000),
    "JUP": Walk(400_000, 40_000_000),
    "RAY": Walk(400_000, 40_000_000),
    "BONK": Walk(500_000, 40_000_000),
    "USDT": Walk(5_000, 600_000, jumps=False),
}


@lru_cache(maxsize=1 << 16)
def random_bits(*of: object) -> int:
    """384 bits that depend on what they are random_bits for alone."""
    text = ":".join(map(str, of)).encode()
    return int.from_bytes(blake2b(text, digest_size=PARTS * 4).digest(), "big")


def uniform(bits: int, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + bits % (high - low + 1)


def normal(bits: int, deviation: int) -> int:
    """N(0, deviation) of 384 bits."""
    total = sum(bits >> 32 * part & UNIT - 1 for part in range(PARTS))
    return (total - PARTS * UNIT // 2) * deviation // UNIT


@lru_cache(maxsize=1 << 14)
def walk_at(seed: str, asset: str, walk: Walk, second: int) -> int:
    """`x` of the asset at this second, jumps left out, in billionths."""
    block, offset = divmod(second, BLOCK_SECONDS)
    low = normal(random_bits(seed, asset, "end", block), walk.ends)
    if offset == 0:
        return low
    high = normal(random_bits(seed, asset, "end", block + 1), walk.ends)
    start, length = 0, BLOCK_SECONDS
    while True:
        half = length // 2
        middle = start + half
        # The bridge's variance in the middle of an interval is a quarter of the step's over all of it.
        deviation = isqrt(walk.step * walk.step * length // 4)
        value = (low + high) // 2 + normal(random_bits(seed, asset, block, length, middle), deviation)
        if offset == middle:
            return value
        if offset < middle:
            high = value
        else:
            start, low = middle, value
        length = half


def jump_at(seed: str, asset: str, second: int) -> int:
    """What is left of this hour's jump and of the last one's, in billionths."""
    total = 0
    for hour in (second // HOUR_SECONDS - 1, second // HOUR_SECONDS):
        bits = random_bits(seed, asset, "jump", hour)
        if bits % JUMPS_ONE_IN:
            continue
        bits //= JUMPS_ONE_IN
        since = second - hour * HOUR_SECONDS - bits % HOUR_SECONDS
        bits //= HOUR_SECONDS
        if 0 <= since < JUMP_SECONDS:
            size = uniform(bits // 2, 10_000_000, 40_000_000)
            total += (size if bits % 2 else -size) * (JUMP_SECONDS - since) // JUMP_SECONDS
    return total


def asset_of(token: Token) -> str:
    """What is priced: SOL and WSOL are one asset."""
    return "SOL" if token.symbol == "WSOL" else token.symbol


@dataclass(frozen=True, slots=True)
class Prices:
    """The middle of the market. `volatility` scales every move; 0 is a market that stands at its references."""

    seed: str = "1"
    volatility: Decimal = Decimal(1)

    def moved(self, token: Token, second: int) -> int:
        """`x` in billionths."""
        if self.volatility == 0:
            return 0
        asset = asset_of(token)
        walk = LAUNCHED if launch_number(token.symbol) is not None else WALKS.get(asset, STABLE)
        x = walk_at(self.seed, asset, walk, second) if walk.step else 0
        if walk.jumps:
            x += jump_at(self.seed, asset, second)
        numerator, denominator = self.volatility.as_integer_ratio()
        return x * numerator // denominator

    def usd(self, token: Token, second: int) -> Decimal:
        """US dollars for one token."""
        return _usd(reference_usd(self.seed, token), self.moved(token, second))

    def middle(self, input_token: Token, output_token: Token, second: int) -> Fraction:
        """Output base units per input base unit: a quotient of two assets, so that no triangle of pairs pays."""
        display = Fraction(self.usd(input_token, second)) / Fraction(self.usd(output_token, second))
        return display * Fraction(10) ** (output_token.decimals - input_token.decimals)

    def skew(self, input_token: Token, output_token: Token, second: int) -> Fraction:
        """By how much the venues' middles differ at this second, 2.3 to 4.7 %, either way: 2–5 % after fees.

        Linear between knots a minute apart; which venue is the dearer stays for an hour, and what one pays more for a
        token it takes more for.
        """
        low, high = sorted((input_token, output_token), key=lambda token: token.mint)
        pair = f"{low.mint}/{high.mint}"
        knot, part = divmod(second, KNOT_SECONDS)
        before, after = (uniform(random_bits(self.seed, pair, "knot", number), 230, 470) for number in (knot, knot + 1))
        size = Fraction(before * (KNOT_SECONDS - part) + after * part, 10_000 * KNOT_SECONDS)
        pays_more = random_bits(self.seed, pair, "sign", second // HOUR_SECONDS) % 2 == (input_token.mint == low.mint)
        return size if pays_more else -size


def reference_usd(seed: str, token: Token) -> Decimal:
    """The dollars around which a token's price moves; a launched one's between a thousandth of a cent and a cent."""
    if launch_number(token.symbol) is None:
        return REFERENCE_USD[token.symbol]
    return Decimal(uniform(random_bits(seed, token.symbol, "reference"), 1_000, 1_000_000)).scaleb(-8)


@lru_cache(maxsize=1 << 14)
def _usd(reference: Decimal, x: int) -> Decimal:
    return _EXACT.multiply(reference, _EXACT.exp(Decimal(x).scaleb(-9)))


def depth(seed: str, token: Token, usd: Decimal = POOL_DEPTH_USD) -> int:
    """Base units of the token that a pool of so many dollars a side holds; it does not move with the price."""
    return int((usd / reference_usd(seed, token)).scaleb(token.decimals))
