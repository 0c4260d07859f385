"""The chain's ledger in memory."""

import threading
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.order import Fill
from chalicelib.venues.ledger import Entry, Found, Outcome
from tests.fakes.clock import FakeClock


@dataclass
class Landed:
    """What the ledger has under a signature."""

    entry: Entry
    outcome: Outcome
    lands_at: datetime
    submissions: int = 1


class MemoryLedger:
    """`Ledger`: one entry a signature, nothing taken from the expiry on."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._expired: set[str] = set()
        self.known: dict[str, Landed] = {}

    def submit(self, entry: Entry) -> bool:
        now = self._clock.now()
        with self._lock:
            if now >= entry.expires_at or entry.signature in self._expired:
                return False
            lands_at = self._clock.in_seconds(entry.lands_in)
            known = self.known.get(entry.signature)
            if known is None:
                first = Outcome.DROPPED if entry.dropped_once else entry.outcome
                self.known[entry.signature] = Landed(entry, first, lands_at)
                return True
            known.submissions += 1
            if known.outcome is Outcome.DROPPED:
                known.outcome, known.lands_at = entry.outcome, lands_at
                known.entry = replace(entry)
            return True

    def find(self, signature: str, expires_at: datetime) -> Found | None:
        with self._lock:
            known = self.known.get(signature)
            if self._clock.now() >= expires_at and (known is None or known.outcome is Outcome.DROPPED):
                self._expired.add(signature)
                return Found(Outcome.EXPIRED, landed=True, reason=None, fill=None)
            if known is None:
                return None
            landed = known.lands_at <= self._clock.now()
            return Found(known.outcome, landed, known.entry.reason, known.entry.fill)

    def settled(self) -> list[Fill]:
        """What every settled swap exchanged."""
        return [known.entry.fill for known in self.known.values() if known.outcome is Outcome.SETTLES]
