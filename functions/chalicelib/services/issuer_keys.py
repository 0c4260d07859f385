"""An issuer's public keys on their way: fetched where no database is, stored where no issuer can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """An issuer's JWK set as it was fetched."""

    issuer: str
    text: str
    fetched_at: datetime
