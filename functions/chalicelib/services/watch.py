"""The watcher: every `WatchIntervalSeconds` it compares what rests with the market.

What can be executed it sends to the workers.

Nothing is remembered between two beats but what is stored, and every step may be repeated: a watcher that dies loses
and doubles nothing. An order that it moved and did not send is sent by reconcile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from chalicelib.domain.amounts import BPS
from chalicelib.domain.errors import ErrorCode, Unavailable
from chalicelib.domain.events import LaunchSkipped, Move, OrderExpired, PriceReached, TokenLaunched
from chalicelib.domain.launches import Launch
from chalicelib.domain.limits import full_price, in_display_units, rounded_up
from chalicelib.domain.order import Failure, LaunchEvent, Order
from chalicelib.domain.quotes import Quote
from chalicelib.domain.tokens import Token, find_token
from chalicelib.ports.market import Market
from chalicelib.ports.orders import OrderStore
from chalicelib.ports.queues import OrdersQueue, StatusEvents, Ticks
from chalicelib.ports.resting import RestingOrders
from chalicelib.ports.runtime import Clock, CrashPoint, Telemetry
from chalicelib.services.publish import publish

# Orders that fired and have no worker yet, at most: a crash through many limits never stands before other orders.
MOST_FIRED = 200
EXPIRED_A_BEAT = 500
# A touch counts that is so near to one of the two seconds before it: a single bad tick is passed over, and a real jump
# is confirmed by the second after it. Nothing has to be remembered for that.
TICK_BPS = 300
LOOK_AGAIN_SECONDS = 2
# Launches are looked at again for so long: as a sniper's event may age, and as a pool may open after its event.
LAUNCH_WINDOW = timedelta(seconds=300 + 120)
PLACED_SINCE = timedelta(seconds=5)
SNIPERS_A_READ = 200
# Beats are queued ahead for so long: past the next minute's first beat, which the schedule may send late.
AHEAD = timedelta(seconds=62)
COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class WatcherPorts:
    """What the watcher needs; `interval` is that of its beats, in seconds."""

    resting: RestingOrders
    store: OrderStore
    queue: OrdersQueue
    events: StatusEvents
    market: Market
    ticks: Ticks
    clock: Clock
    telemetry: Telemetry
    crash_point: CrashPoint
    interval: int = 1


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
    at_price, postponed = _fire_limits(now, room, ports)
    launched, skipped = _look_at_launches(now, room - at_price, ports)
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
    _publish_moved(moved, ports)
    return len(moved)


def _publish_moved(order_ids: Sequence[str], ports: WatcherPorts) -> None:
    """Tells the followers; what cannot be told now reconcile tells."""
    if not order_ids:
        return
    for history in ports.resting.followed(order_ids):
        if not publish(history, store=ports.store, events=ports.events, telemetry=ports.telemetry):
            return


def _fire_limits(now: datetime, room: int, ports: WatcherPorts) -> tuple[int, int]:
    """Fires limit orders by price, then time; returns how many, and how many were looked at in vain."""
    if room <= 0:
        return 0, 0
    touches = [
        (one.symbol, other.symbol, rounded_up(in_display_units(touch, one, other)))
        for one, other in _pairs(now, ports)
        if (touch := usable_touch(one, other, now, ports.market)) is not None
    ]
    if not touches:
        return 0, 0
    second = now.replace(microsecond=0)
    candidates = ports.resting.crossing(touches, room)
    if ports.clock.now() >= second + timedelta(seconds=1):
        # A beat that was held up reads what has come to rest meanwhile, at a price from before it.
        candidates = [order for order in candidates if order.updated_at < second + timedelta(seconds=1)]
    if not candidates:
        return 0, 0
    ports.crash_point("after_crossing")
    moves: list[tuple[Order, Move]] = []
    early: list[Order] = []
    for order in candidates:
        price = _executable_price(order, now, ports.market)
        if price is None:
            early.append(order)
        else:
            moves.append((order, PriceReached(price, second, _milliseconds(now - second))))
    ports.resting.postpone(early, LOOK_AGAIN_SECONDS)
    return _fire(moves, "price", ports), len(early)


def _pairs(now: datetime, ports: WatcherPorts) -> list[tuple[Token, Token]]:
    """The pairs that somebody waits for, beginning at another one each second; delisted ones wait for their end."""
    found = [(find_token(one), find_token(other)) for one, other in ports.resting.pairs()]
    known = [(one, other) for one, other in found if one is not None and other is not None]
    start = int(now.timestamp()) % len(known) if known else 0
    return known[start:] + known[:start]


def usable_touch(input_token: Token, output_token: Token, now: datetime, market: Market) -> Fraction | None:
    """The best price of this second, unless it is far from both seconds before it."""
    touch = _best(input_token, output_token, now, market)
    if touch is None:
        return None
    for earlier in (1, 2):
        before = _best(input_token, output_token, now - timedelta(seconds=earlier), market)
        if before is not None and abs(touch - before) * BPS <= before * TICK_BPS:
            return touch
    return None


def _best(input_token: Token, output_token: Token, at: datetime, market: Market) -> Fraction | None:
    return max(market.touches(input_token, output_token, at).values(), default=None)


def _executable_price(order: Order, now: datetime, market: Market) -> Fraction | None:
    """What the order's full size is paid now, if that is at its limit or better and moves the market no further than
    it may."""
    guard = order.guard
    quotes = [answer for answer in market.preview(order.quote_request(), now) if isinstance(answer, Quote)]
    good = [
        full_price(quote)
        for quote in quotes
        if (guard is None or guard.admits(quote)) and quote.price_impact_pct * 100 <= order.max_price_impact_bps
    ]
    return max(good, default=None)


def _fire(moves: Sequence[tuple[Order, Move]], kind: str, ports: WatcherPorts) -> int:
    fired = ports.resting.move(moves, MOST_FIRED)
    if not fired:
        return 0
    ports.crash_point("after_fire_commit")
    latencies = {order.id: event for order, event in moves}
    for order_id in fired:
        event = latencies[order_id]
        if isinstance(event, PriceReached | TokenLaunched):
            ports.telemetry.add_metric("TriggerLatencyMs", event.latency_ms)
    ports.telemetry.add_metric("TriggersFired", len(fired), kind=kind)
    try:
        ports.queue.send_many(fired)
    except Unavailable as error:
        ports.telemetry.warn("enqueue_failed", reason=str(error), orders=len(fired))
        ports.telemetry.add_metric("EnqueueFailures")
    ports.crash_point("after_fire_send")
    return len(fired)


def _look_at_launches(now: datetime, room: int, ports: WatcherPorts) -> tuple[int, int]:
    """Fires snipers whose token was launched, and ends those whose launch got too old; returns how many of each."""
    last = ports.resting.last_beat() or now
    seen = ports.market.launches(min(last, now) - LAUNCH_WINDOW, now)
    if not seen:
        return 0, 0
    wanted = ports.resting.tokens_with_snipers([launch.token.symbol for launch in seen])
    launches = [launch for launch in seen if launch.token.symbol in wanted]
    ports.resting.save_launches(launches)
    fires: list[tuple[Order, Move]] = []
    ends: list[tuple[Order, Move]] = []
    early: list[Order] = []
    # A pool that was told of twice is one.
    for launch in {launch.pool: launch for launch in launches}.values():
        for order in _snipers(launch, ports):
            match _decide(order, launch, now, ports.market):
                case TokenLaunched() as event if len(fires) < room:
                    fires.append((order, event))
                case LaunchSkipped() as event:
                    ends.append((order, event))
                case TooDear():
                    early.append(order)
    ports.resting.postpone(early, LOOK_AGAIN_SECONDS)
    ended = ports.resting.move(ends)
    if ended:
        ports.telemetry.add_metric("OrdersFailed", len(ended), code=ErrorCode.LAUNCH_SKIPPED)
    _publish_moved(ended, ports)
    return _fire(fires, "launch", ports), len(ended)


def _snipers(launch: Launch, ports: WatcherPorts) -> Iterator[Order]:
    after = ""
    while orders := ports.resting.snipers_of(launch.token.symbol, after, SNIPERS_A_READ):
        yield from orders
        after = orders[-1].id


@dataclass(frozen=True, slots=True)
class TooDear:
    """All conditions hold but the price."""


def _decide(
    order: Order, launch: Launch, now: datetime, market: Market
) -> TokenLaunched | LaunchSkipped | TooDear | None:
    """What the launch means for the order; None while it has to wait."""
    if order.launch is None or launch.confirmed_at <= order.created_at - PLACED_SINCE or now < launch.opens_at:
        return None
    unmet = unmet_conditions(order, launch)
    age = now - launch.counted_from
    if age > timedelta(seconds=order.launch.max_age_seconds):
        sentence = "; ".join(unmet.values()) or f"the launch was {age // timedelta(seconds=1)} s old"
        failure = Failure(ErrorCode.LAUNCH_SKIPPED, f"{sentence}.", retryable=True)
        return LaunchSkipped(failure, tuple(unmet) or ("age",))
    if unmet:
        return None
    if order.limit_price is not None and _executable_price(order, now, market) is None:
        return TooDear()
    return TokenLaunched(launch, now, _milliseconds(now - launch.counted_from))


def unmet_conditions(order: Order, launch: Launch) -> dict[str, str]:
    """What of the order's conditions does not hold of the launch, its age left out: by name, with a sentence."""
    wanted = order.launch
    if wanted is None:
        return {}
    unmet = {}
    if wanted.event is not LaunchEvent.ANY and wanted.event.value != launch.kind.value:
        unmet["event"] = f"it was a {launch.kind}, not a {wanted.event}"
    if launch.liquidity_usd < wanted.minimum_liquidity_usd:
        unmet["liquidity"] = f"liquidity {launch.liquidity_usd} of {wanted.minimum_liquidity_usd:f} USD"
    if wanted.require_safe and not launch.safe:
        unmet["safety"] = f"the token has {', '.join(flag.replace('_', ' ') for flag in launch.flags)}"
    return unmet


def _milliseconds(duration: timedelta) -> int:
    return max(duration // timedelta(milliseconds=1), 0)
