"""Raydium, simulated: a constant-product pool that takes 25 basis points of the input."""

from __future__ import annotations

from fractions import Fraction

from chalicelib.domain.quotes import QuoteRequest, Side
from chalicelib.simulation.chance import Simulation
from chalicelib.venues.pools.constant_product import RATE_ONE, ConstantProductPool
from chalicelib.venues.pools.swap import PoolSwap
from chalicelib.venues.simulated.venue import SimulatedVenue

# In millionths: 0.25 %, that of most pools.
TRADE_FEE_RATE = 2_500


class RaydiumVenue(SimulatedVenue):
    """`VenueConnector`."""

    name = "raydium"
    lean = 1
    fee = Fraction(TRADE_FEE_RATE, RATE_ONE)

    def trade(self, request: QuoteRequest, price: Fraction, at: int) -> PoolSwap:
        reserve_in = self.reserve(request, request.input_token, at)
        pool = ConstantProductPool(
            reserve_in=reserve_in, reserve_out=int(reserve_in * price), trade_fee_rate=TRADE_FEE_RATE
        )
        if request.side is Side.SELL:
            return pool.swap_exact_in(request.amount)
        return pool.swap_exact_out(request.amount)


def connect(simulation: Simulation) -> RaydiumVenue:
    """The venue on this market."""
    return RaydiumVenue(simulation)
