"""The chain's ledger in memory."""

import threading
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.chain.ledger import Entry, Found, Outcome
from chalicelib.config import BLOCK_MS
from chalicelib.domain.order import Fill
from tests.fakes.clock import FakeClock


@dataclass
class Landed:
    """What the ledger has under a signature."""

    entry: Entry
    outcome: Outcome
    lands_at: datetime
    submissions: int = 1


class MemoryLedger:
    """`Ledger`: one entry a signature, nothing taken past its last valid height."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._expired: set[str] = set()
        self.known: dict[str, Landed] = {}

    def height(self) -> int:
        return int(self._clock.now().timestamp() * 1000) // BLOCK_MS

    def submit(self, entry: Entry) -> bool:
        with self._lock:
            if self.height() > entry.last_valid_height or entry.signature in self._expired:
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

    def find(self, signature: str, last_valid_height: int) -> Found:
        with self._lock:
            known, height = self.known.get(signature), self.height()
            if height > last_valid_height and (known is None or known.outcome is Outcome.DROPPED):
                self._expired.add(signature)
            if signature in self._expired:
                return Found(height=height, outcome=Outcome.EXPIRED, landed=True)
            if known is None:
                return Found(height=height, outcome=None)
            landed = known.lands_at <= self._clock.now()
            return Found(
                height=height, outcome=known.outcome, landed=landed, reason=known.entry.reason, fill=known.entry.fill
            )

    def settled(self) -> list[Fill]:
        """What every settled swap exchanged."""
        return [known.entry.fill for known in self.known.values() if known.outcome is Outcome.SETTLES]
