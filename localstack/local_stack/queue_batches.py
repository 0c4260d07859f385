"""How messages are taken from a queue: in fuller batches, and without looking at its old ids before each.

ministack_process.py loads it by its path into the emulator's process.
"""

import time
from collections.abc import Callable

# So long a queue's next batch gathers for each that is being worked on, and at most so long.
GATHERING_SECONDS = 0.01
GATHERING_SECONDS_AT_MOST = 0.2
JsonObject = dict[str, object]
Batch = list[JsonObject]
Prune = Callable[[JsonObject], None]


def once_a_second(prune: Prune) -> Prune:
    """`prune`, which looks at a queue's every deduplication id of five minutes, done once a second for each queue.

    MiniStack does it before each message that it takes: after 600 orders in five minutes that is a quarter of its work.
    An id may count for a second longer so.
    """
    done: dict[object, float] = {}

    def prune_seldom(queue: JsonObject) -> None:
        now = time.monotonic()
        if now - done.get(queue["url"], -1.0) >= 1.0:
            done[queue["url"]] = now
            prune(queue)

    return prune_seldom


class Gathering:
    """A queue's messages in larger batches: the more are being worked on, the longer the next one gathers.

    MiniStack hands each message over as it comes: of a burst, one to each worker, which is then busy for seconds with
    it alone, and the rest waits for the next round. A message that comes alone waits for nothing.
    """

    def __init__(
        self,
        receive: Callable[[str, int], Batch],
        waiting: Callable[[str, int], int],
        look_again: Callable[[float], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`waiting` tells how many messages could be received, up to a number; `look_again` in so many seconds."""
        self._receive, self._waiting, self._look_again, self._now = receive, waiting, look_again, now
        self._taken_at: dict[str, float] = {}
        self._looks_at: dict[str, float] = {}

    def receive(self, queue_url: str, number: int, busy: int) -> Batch:
        """Up to `number` messages, or none where more are waited for while `busy` batches are being worked on."""
        now = self._now()
        gathering = min(busy * GATHERING_SECONDS, GATHERING_SECONDS_AT_MOST)
        next_at = self._taken_at.get(queue_url, -gathering) + gathering
        if now < next_at and self._waiting(queue_url, number) < number:
            if self._looks_at.get(queue_url, now) <= now:
                self._looks_at[queue_url] = next_at
                self._look_again(next_at - now)
            return []
        batch = self._receive(queue_url, number)
        if batch:
            self._taken_at[queue_url] = now
        return batch
