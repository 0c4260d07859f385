"""Limit orders: which have their price."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

from chalicelib.domain.amounts import BPS
from chalicelib.domain.events import Move, PriceReached
from chalicelib.domain.limits import in_display_units, rounded_up
from chalicelib.domain.order import Order
from chalicelib.domain.tokens import Token, find_token
from chalicelib.ports.market import Market
from chalicelib.services.firing import LOOK_AGAIN_SECONDS, WatcherPorts, executable_price, fire, milliseconds

# A touch counts that is so near to one of the two seconds before it: a single bad tick is passed over, and a real jump
# is confirmed by the second after it. Nothing has to be remembered for that.
TICK_BPS = 300


def fire_limits(now: datetime, room: int, ports: WatcherPorts) -> tuple[int, int]:
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
        price = executable_price(order, now, ports.market)
        if price is None:
            early.append(order)
        else:
            moves.append((order, PriceReached(price, second, milliseconds(now - second))))
    ports.resting.postpone(early, LOOK_AGAIN_SECONDS)
    return fire(moves, "price", ports), len(early)


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
