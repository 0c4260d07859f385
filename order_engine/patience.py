"""How long is waited for what: between tries of a call, and between the connections that follow an order."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Final

from order_engine import errors
from order_engine.answers import is_transient
from order_engine.stream import SILENCE_SECONDS

_MAX_PAUSE_SECONDS: Final = 8.0
_MAX_NAMED_PAUSE_SECONDS: Final = 60.0
# The fourth pause between two connections is the longest: 2 seconds, where no stream can be had.
_LONGEST_RECONNECT_PAUSE: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited for what, and how often a call is repeated that may be repeated."""

    answer_seconds: float = 30.0
    tries: int = 5
    first_pause_seconds: float = 0.25  # twice as long each time, up to 8 s, and a random part of it
    follow_seconds: float = 60.0  # without any sign of the order before `follow` gives up
    silence_seconds: float = SILENCE_SECONDS  # without any frame, heartbeats among them, before a stream is opened anew

    def pause_after(self, failure: errors.OrderEngineError, number: int) -> float:
        """How long to wait before the next try: at least as the service says.

        It is random, so that a restarted service's clients don't come at once.
        """
        longest = min(self.first_pause_seconds * 2.0**number, _MAX_PAUSE_SECONDS)
        pause = random.uniform(longest / 2, longest)
        named = failure.retry_after if isinstance(failure, errors.Refused) else None
        return pause if named is None else max(pause, min(named, _MAX_NAMED_PAUSE_SECONDS))


class Reconnection:
    """The pauses between the connections of one follower, and when it gives up."""

    def __init__(self, patience: Patience, complaint: str) -> None:
        """`complaint` says what is missing, as in: There was no sign of alice's orders."""
        self._patience = patience
        self._complaint = complaint
        self._number = 0
        self._heard_at = time.monotonic()

    def note(self, *, is_news: bool) -> None:
        """Something was heard. Only news makes the next pause short again."""
        self._heard_at = time.monotonic()
        if is_news:
            self._number = 0

    async def pause(self, failure: errors.OrderEngineError) -> None:
        """Waits before the next connection.

        Raises:
            OrderEngineError: the failure, where no connection will mend it.
            StreamLost: nothing was heard for too long.
        """
        if not (isinstance(failure, errors.StreamError) or is_transient(failure)):
            raise failure
        if time.monotonic() - self._heard_at > self._patience.follow_seconds:
            raise errors.StreamLost(
                f"{self._complaint} for {self._patience.follow_seconds:.0f} s: {failure.clause}."
            ) from failure
        await asyncio.sleep(self._patience.pause_after(failure, min(self._number, _LONGEST_RECONNECT_PAUSE)))
        self._number += 1
