"""Sniper orders: which have their launch, and which missed it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.events import LaunchSkipped, Move, TokenLaunched
from chalicelib.domain.launches import Launch
from chalicelib.domain.order import Failure, LaunchEvent, Order
from chalicelib.ports.market import Market
from chalicelib.services.firing import (
    LOOK_AGAIN_SECONDS,
    WatcherPorts,
    executable_price,
    fire,
    milliseconds,
    publish_moved,
)

# Launches are looked at again for so long: as a sniper's event may age, and as a pool may open after its event.
LAUNCH_WINDOW = timedelta(seconds=300 + 120)
PLACED_SINCE = timedelta(seconds=5)
SNIPERS_A_READ = 200


def fire_snipers(now: datetime, room: int, ports: WatcherPorts) -> tuple[int, int]:
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
                case PriceNotMet():
                    early.append(order)
    ports.resting.postpone(early, LOOK_AGAIN_SECONDS)
    ended = ports.resting.move(ends)
    if ended:
        ports.telemetry.add_metric("OrdersFailed", len(ended), code=ErrorCode.LAUNCH_SKIPPED)
    publish_moved(ended, ports)
    return fire(fires, "launch", ports), len(ended)


def _snipers(launch: Launch, ports: WatcherPorts) -> Iterator[Order]:
    after = ""
    while orders := ports.resting.snipers_of(launch.token.symbol, after, SNIPERS_A_READ):
        yield from orders
        after = orders[-1].id


@dataclass(frozen=True, slots=True)
class PriceNotMet:
    """All conditions hold but the price."""


def _decide(
    order: Order, launch: Launch, now: datetime, market: Market
) -> TokenLaunched | LaunchSkipped | PriceNotMet | None:
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
    if order.limit_price is not None and executable_price(order, now, market) is None:
        return PriceNotMet()
    return TokenLaunched(launch, now, milliseconds(now - launch.counted_from))


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
