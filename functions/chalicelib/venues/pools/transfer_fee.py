"""The Token-2022 program's transfer fee (`extension/transfer_fee`): a mint keeps part of every transfer."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.amounts import BPS
from chalicelib.venues.pools.swap import ceil_div


@dataclass(frozen=True, slots=True)
class TransferFee:
    """`basis_points` of every transfer, at most `maximum` base units."""

    basis_points: int
    maximum: int

    def received(self, sent: int) -> int:
        """What arrives of so much."""
        return sent - min(ceil_div(sent * self.basis_points, BPS), self.maximum)

    def sent(self, received: int) -> int:
        """`calculate_pre_fee_amount`: what must be sent so that so much arrives."""
        if received == 0 or self.basis_points == 0:
            return received
        if self.basis_points == BPS:
            return received + self.maximum
        return min(ceil_div(received * BPS, BPS - self.basis_points), received + self.maximum)
