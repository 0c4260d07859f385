"""Launches of tokens: what a sniper order waits for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.quotes import Venue
from chalicelib.domain.tokens import Token


class LaunchKind(StrEnum):
    """How a token's pool came about: with the token, or when a launchpad moved its liquidity to a venue."""

    LAUNCH = "launch"
    MIGRATION = "migration"


class LaunchFlag(StrEnum):
    """What a careful trader keeps away from."""

    MINT_AUTHORITY = "mint_authority"  # its owner can make more of it
    FREEZE_AUTHORITY = "freeze_authority"  # its owner can freeze what others hold
    TRANSFER_FEE = "transfer_fee"  # every transfer pays its owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A confirmed pool of a new token, known by the pool's address however often it is reported.

    It trades from `opens_at` on; `liquidity_usd` is that of the moment at which it was looked at.
    """

    pool: str
    event_id: str
    token: Token
    kind: LaunchKind
    venue: Venue
    confirmed_at: datetime
    opens_at: datetime
    liquidity_usd: int
    flags: tuple[LaunchFlag, ...] = ()

    @property
    def safe(self) -> bool:
        """Whether nothing is flagged."""
        return not self.flags

    @property
    def counted_from(self) -> datetime:
        """From when its age counts: the later of both times."""
        return max(self.confirmed_at, self.opens_at)
