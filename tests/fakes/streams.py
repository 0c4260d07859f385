"""What following orders and pushing statuses need, of an engine, a service or a world of a test's own."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.errors import Unavailable
from chalicelib.http.admission import admit_anyone, admit_to_any_user
from chalicelib.ports.followers import Follower
from chalicelib.ports.runtime import CrashPoint
from chalicelib.services.posting import Postponed, Push, Pusher
from chalicelib.services.push_status import push_newest
from chalicelib.services.subscriptions import SubscriptionPorts
from chalicelib.services.views import history_view
from tests.fakes.crash import CrashAt
from tests.fakes.engine import Engine
from tests.fakes.followers import MemoryFollowers, MemoryNotifier


def subscription_ports(behind: Any, followers: MemoryFollowers, **changes: Any) -> SubscriptionPorts:
    """Its store, events, clock and telemetry; anybody may follow anything."""
    ports = SubscriptionPorts(
        behind.store,
        followers,
        behind.events,
        behind.clock,
        behind.telemetry,
        CrashAt(),
        admit_anyone,
        admit_to_any_user,
    )
    return replace(ports, **changes)


def a_pusher(
    behind: Any, followers: MemoryFollowers, notifier: MemoryNotifier, threads: ThreadPoolExecutor, **changes: Any
) -> Pusher:
    """A pusher that sends what must wait back into its events' queue."""
    return Pusher(
        followers=followers,
        notifier=notifier,
        clock=behind.clock,
        telemetry=behind.telemetry,
        threads=threads,
        **{"crash_point": CrashAt(), "requeue": behind.events.requeue, **changes},
    )


def push_status(push: Push, pusher: Pusher, until: datetime | None = None) -> None:
    """As `push_newest`, of a message alone."""
    push_newest([push], pusher, until)


@dataclass
class OrderStream:
    """An order that ran to its end, and the pusher of its status events."""

    engine: Engine
    order_id: str
    followers: MemoryFollowers
    notifier: MemoryNotifier
    threads: ThreadPoolExecutor
    requeued: list[Push] = field(default_factory=list)
    queue_outage: bool = False

    def pusher(self, crash: CrashPoint | None = None) -> Pusher:
        changes = {"crash_point": crash or CrashAt(), "requeue": self.requeue}
        return a_pusher(self.engine, self.followers, self.notifier, self.threads, **changes)

    def requeue(self, push: Push) -> None:
        if self.queue_outage:
            raise Unavailable("The queue is down.")
        self.requeued.append(push)

    def follow(self, connection_id: str = "c", after: int = 0, *, age: float = 60) -> None:
        connected_at = self.engine.clock.now() - timedelta(seconds=age)
        self.followers.add(Follower(self.order_id, connection_id, after, connected_at))

    def history(self, sequence: int = 5) -> Push:
        """The message that was queued when the order had so many events."""
        sent = next(sent for sent in self.engine.events.sent if sent.history.order.sequence == sequence)
        return Push(history_view(sent.history))

    def push(self, sequence: int = 5, crash: CrashPoint | None = None) -> None:
        push_status(self.history(sequence), self.pusher(crash))

    def drain(self) -> int:
        """Delivers what stands in followers' own groups as SQS does, until nothing is left; gives how many tries."""
        tries = 0
        while self.requeued:
            tries += 1
            push = self.requeued[0]
            try:
                push_status(push, self.pusher())
            except Postponed as later:
                self.engine.clock.advance(later.seconds)
                self.requeued[0] = replace(push, tries=push.tries + 1)
            else:
                self.requeued.remove(push)
        return tries

    def last(self, connection_id: str = "c") -> int:
        return self.followers.last_sequence(self.order_id, connection_id)
