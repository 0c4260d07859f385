"""Meteora, simulated: a DLMM pool with the preset of real pools of 10 basis points a bin."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache

from chalicelib.domain.amounts import BPS
from chalicelib.domain.quotes import QuoteRequest, Side
from chalicelib.domain.tokens import Token
from chalicelib.simulation.chance import Simulation
from chalicelib.venues.pools.bins import (
    FEE_PRECISION,
    ONE,
    Bin,
    BinPool,
    Direction,
    FeeParameters,
    Volatility,
    bin_price,
    fee_rate,
)
from chalicelib.venues.pools.swap import PoolSwap
from chalicelib.venues.simulated.venue import SimulatedVenue

BIN_STEP = 10
# On either side of the price; together they hold a pool's depth.
BINS = 200
# 0.2 % at rest, and up to 0.49 % more while the price moves.
FEES = FeeParameters(
    base_factor=20_000,
    variable_fee_control=40_000,
    max_volatility_accumulator=350_000,
    filter_period=30,
    decay_period=600,
    reduction_factor=5_000,
)


class MeteoraVenue(SimulatedVenue):
    """`VenueConnector`. Its price moves by whole bins."""

    name = "meteora"
    lean = -1
    # That of the bin at which a swap begins.
    fee = Fraction(fee_rate(BIN_STEP, FEES, 0), FEE_PRECISION)

    def spot(self, price: Fraction, input_token: Token, output_token: Token) -> Fraction:
        output_per_input = nearest_bin(price)
        if _sells_x(input_token, output_token):
            return Fraction(bin_price(output_per_input, BIN_STEP), ONE)
        return Fraction(ONE, bin_price(-output_per_input, BIN_STEP))

    def trade(self, request: QuoteRequest, price: Fraction, at: int) -> PoolSwap:
        sells_x = _sells_x(request.input_token, request.output_token)
        direction = Direction.X_TO_Y if sells_x else Direction.Y_TO_X
        pool = self.pool(direction, price, self.reserve(request, request.output_token, at) // BINS)
        if request.side is Side.SELL:
            return pool.swap_exact_in(request.amount, direction, at=at)
        return pool.swap_exact_out(request.amount, direction, at=at)

    def pool(self, direction: Direction, price: Fraction, reserve: int) -> BinPool:
        """The pool of the pair as the trader finds it: nobody has traded for a while, and the bins are even."""
        output_per_input = nearest_bin(price)
        return _pool(direction, output_per_input if direction is Direction.X_TO_Y else -output_per_input, reserve)


@lru_cache(maxsize=256)
def _pool(direction: Direction, active_id: int, reserve: int) -> BinPool:
    if direction is Direction.X_TO_Y:
        bins = dict.fromkeys(range(active_id, active_id - BINS, -1), Bin(y=reserve))
    else:
        bins = dict.fromkeys(range(active_id, active_id + BINS), Bin(x=reserve))
    return BinPool(
        active_id=active_id,
        bin_step=BIN_STEP,
        bins=bins,
        fees=FEES,
        volatility=Volatility(index_reference=active_id),
    )


def _sells_x(input_token: Token, output_token: Token) -> bool:
    """As on the chain a pair has one pool, with its tokens in the order of their mints."""
    return input_token.mint < output_token.mint


@lru_cache(maxsize=1024)
def nearest_bin(price: Fraction | Decimal) -> int:
    """The bin whose price `(1 + binStep / 10,000)^bin` comes nearest."""
    context = Context(prec=30)
    step = context.ln(1 + Decimal(BIN_STEP) / BPS)
    numerator, denominator = price.as_integer_ratio()
    decimal = context.divide(Decimal(numerator), Decimal(denominator))
    return int(context.divide(context.ln(decimal), step).to_integral_value(ROUND_HALF_EVEN))


def connect(simulation: Simulation) -> MeteoraVenue:
    """The venue on this market."""
    return MeteoraVenue(simulation)
