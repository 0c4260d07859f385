"""Raydium, simulated: a constant-product pool that takes 25 basis points of the input."""

from __future__ import annotations

from chalicelib.domain.amounts import BPS
from chalicelib.domain.quotes import QuoteRequest, Side
from chalicelib.venues.pools.constant_product import ConstantProductPool
from chalicelib.venues.pools.swap import PoolSwap
from chalicelib.venues.simulation.chance import Simulation
from chalicelib.venues.simulation.market import depth, reference_price, skew
from chalicelib.venues.simulation.venue import SimulatedVenue

# In millionths: 0.25 %, that of most pools.
TRADE_FEE_RATE = 2_500


class RaydiumVenue(SimulatedVenue):
    """`VenueConnector`."""

    name = "raydium"

    def swap(self, request: QuoteRequest, *, worse_bps: int = 0) -> PoolSwap:
        pool = self.pool(request, worse_bps)
        if request.side is Side.SELL:
            return pool.swap_exact_in(request.amount)
        return pool.swap_exact_out(request.amount)

    def pool(self, request: QuoteRequest, worse_bps: int) -> ConstantProductPool:
        """The pool of the pair as the trader finds it."""
        reserve_in = depth(request.input_token)
        middle = reference_price(request.input_token, request.output_token)
        price = middle * (1 + skew(self.simulation, request.reference) / 2) * (BPS - worse_bps) / BPS
        return ConstantProductPool(
            reserve_in=reserve_in, reserve_out=int(reserve_in * price), trade_fee_rate=TRADE_FEE_RATE
        )


def connect(simulation: Simulation) -> RaydiumVenue:
    """The venue on this market."""
    return RaydiumVenue(simulation)
