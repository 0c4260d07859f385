"""What following orders and pushing statuses need, of an engine, a service or a world of a test's own."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from chalicelib.http.admission import admit_anyone, admit_to_any_user
from chalicelib.services.posting import Pusher
from chalicelib.services.subscriptions import SubscriptionPorts
from tests.fakes.crash import CrashAt
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
