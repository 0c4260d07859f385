"""Meteora, simulated: a DLMM pool with the preset of real pools of 10 basis points a bin."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

from chalicelib.domain.amounts import BPS
from chalicelib.domain.quotes import QuoteRequest, Side
from chalicelib.venues.pools.bins import Bin, BinPool, Direction, FeeParameters, Volatility
from chalicelib.venues.pools.swap import PoolSwap
from chalicelib.venues.simulation.chance import Simulation
from chalicelib.venues.simulation.market import depth, reference_price, skew
from chalicelib.venues.simulation.venue import SimulatedVenue

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

    def swap(self, request: QuoteRequest, *, worse_bps: int = 0) -> PoolSwap:
        # As on the chain a pair has one pool, with its tokens in the order of their mints.
        sells_x = request.input_token.mint < request.output_token.mint
        direction = Direction.X_TO_Y if sells_x else Direction.Y_TO_X
        pool = self.pool(request, direction, worse_bps)
        now = int(self.simulation.now().timestamp())
        if request.side is Side.SELL:
            return pool.swap_exact_in(request.amount, direction, at=now)
        return pool.swap_exact_out(request.amount, direction, at=now)

    def pool(self, request: QuoteRequest, direction: Direction, worse_bps: int) -> BinPool:
        """The pool of the pair as the trader finds it: nobody has traded for a while, and the bins are even."""
        middle = reference_price(request.input_token, request.output_token)
        price = middle * (1 - skew(self.simulation, request.reference) / 2) * (BPS - worse_bps) / BPS
        output_per_input = nearest_bin(price)
        reserve = depth(request.output_token) // BINS
        if direction is Direction.X_TO_Y:
            active_id = output_per_input
            bins = {active_id - number: Bin(y=reserve) for number in range(BINS)}
        else:
            active_id = -output_per_input
            bins = {active_id + number: Bin(x=reserve) for number in range(BINS)}
        return BinPool(
            active_id=active_id,
            bin_step=BIN_STEP,
            bins=bins,
            fees=FEES,
            volatility=Volatility(index_reference=active_id),
        )


def nearest_bin(price: Decimal) -> int:
    """The bin whose price `(1 + binStep / 10,000)^bin` comes nearest."""
    context = Context(prec=30)
    step = context.ln(1 + Decimal(BIN_STEP) / BPS)
    return int(context.divide(context.ln(price), step).to_integral_value(ROUND_HALF_EVEN))


def connect(simulation: Simulation) -> MeteoraVenue:
    """The venue on this market."""
    return MeteoraVenue(simulation)
