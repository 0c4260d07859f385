"""The watcher: every `WatchIntervalSeconds` it compares what rests with the market, and fires what can be executed.

Nothing is remembered between two beats but what is stored, and every step may be repeated: a watcher that dies loses
and doubles nothing. An order that it moved and did not send is sent by reconcile.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.events import OrderExpired
from chalicelib.services.fire_limits import fire_limits
from chalicelib.services.fire_snipers import fire_snipers
from chalicelib.services.firing import MOST_FIRED, WatcherPorts, publish_moved

EXPIRED_A_BEAT = 500
# Beats are queued ahead for so long: past the next minute's first beat, which the schedule may send late.
AHEAD = timedelta(seconds=62)
COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Beat:
    """What a beat did."""

    expired: int = 0
    fired: int = 0
    skipped: int = 0
    postponed: int = 0


def begin_minute(ports: WatcherPorts) -> None:
    """The minute's first beat: where no order rests it queues no others. Raises `Unavailable`."""
    if not ports.resting.any_resting():
        ports.telemetry.add_metric("OrdersResting", 0)
        return
    ports.telemetry.add_metric("OrdersResting", ports.resting.count(COUNTED))
    watch_on(ports)


def watch_on(ports: WatcherPorts) -> None:
    """Queues the beats up to the next minute's that are not queued yet, and makes one now. Raises `Unavailable`."""
    now = ports.clock.now()
    until = now + AHEAD
    queued = max((ports.resting.awake_until() - now).total_seconds(), 0)
    delays = [
        delay for delay in range(ports.interval, int(AHEAD.total_seconds()) + 1, ports.interval) if delay > queued
    ]
    # First the messages: beats that come twice do no harm, and beats that never come would leave a hole.
    ports.ticks.schedule(delays)
    ports.resting.stay_awake(until)
    beat(ports)


def beat(ports: WatcherPorts) -> Beat:
    """One look at everything that rests. Raises `Unavailable`."""
    now = ports.clock.now()
    expired = _expire(ports)
    fired = ports.resting.count_fired(MOST_FIRED + 1)
    room = max(MOST_FIRED - fired, 0)
    if fired >= MOST_FIRED:
        ports.telemetry.add_metric("FireBacklog", fired)
    at_price, postponed = fire_limits(now, room, ports)
    launched, skipped = fire_snipers(now, room - at_price, ports)
    ports.resting.note_beat(now)
    ports.telemetry.add_metric("WatcherBeats")
    done = Beat(expired, at_price + launched, skipped, postponed)
    if done != Beat():
        ports.telemetry.log(
            "watched", expired=expired, fired=done.fired, skipped=skipped, postponed=postponed, waiting_workers=fired
        )
    return done


def _expire(ports: WatcherPorts) -> int:
    over = ports.resting.expired(EXPIRED_A_BEAT)
    moved = ports.resting.move([(order, OrderExpired()) for order in over])
    if moved:
        ports.telemetry.add_metric("OrdersExpired", len(moved))
    publish_moved(moved, ports)
    return len(moved)
