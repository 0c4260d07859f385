"""The promises to orders that rest, as pure functions over what a run left behind.

The world's own truth, what was paid and launched when, comes with the evidence; nothing of the engine's stands here.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from typing import cast

from localstack.chaos.records import EventRecord, Evidence, OrderRecord, Outage
from localstack.chaos.violations import Kind, Violation

# An order whose price is paid all the time fires within so many seconds, and one whose time is over ends within them.
SEEN_WITHIN = 30
_DECIMALS = {"SOL": 9, "BONK": 5}  # all others have 6
_LONGEST_PAUSE = 300
BLOCK_SECONDS = 0.4
# The service's and the database's clock are one machine's; times in `meta` are whole milliseconds.
_ROUNDED = 0.002
_PLACED_SINCE = 5.0


def limits(evidence: Evidence) -> Iterator[Violation]:
    """Whatever settled is at the limit or better, fees included."""
    orders = {order.id: order for order in evidence.orders if order.limit_price is not None}
    for each in evidence.chain:
        order = orders.get(each.order_id)
        if order is None or order.limit_price is None or not each.settles or not each.amount_in:
            continue
        one, other = (_DECIMALS.get(token, 6) for token in (order.input_token, order.output_token))
        price = Fraction(each.amount_out or 0, each.amount_in) * Fraction(10) ** (one - other)
        if price < Fraction(order.limit_price):
            detail = f"It settled at {float(price):.12g}, its limit is {order.limit_price}."
            yield Violation(Kind.PAST_LIMIT, order.id, detail)


def firings(evidence: Evidence) -> Iterator[Violation]:
    """Each firing is one event, at a second that pays the limit, or of a confirmed pool that is open."""
    for order, history in _resting(evidence):
        queued = [event for event in history if event.status == "pending"]
        if len(queued) != order.fires:
            yield Violation(Kind.FIRED_TWICE, order.id, f"It was queued {len(queued)} times and fired {order.fires}.")
        for event in queued:
            if "trigger" in event.meta:
                yield from _trigger(order, event, cast("dict[str, object]", event.meta["trigger"]), evidence)


def _trigger(
    order: OrderRecord, event: EventRecord, trigger: dict[str, object], evidence: Evidence
) -> Iterator[Violation]:
    if trigger["kind"] == "price":
        second = int(datetime.fromisoformat(str(trigger["at"])).timestamp())
        if order.id in evidence.market.paid and second not in evidence.market.paid[order.id]:
            yield Violation(Kind.FIRED_WRONGLY, order.id, f"Event {event.sequence} names a second that did not pay.")
        return
    pool = evidence.market.pools.get(str(trigger["pool"]))
    if pool is None or pool.token != order.output_token:
        yield Violation(Kind.FIRED_WRONGLY, order.id, f"It fired at {trigger['pool']}, no confirmed pool of its token.")
    elif event.at < pool.opens_at or pool.confirmed_at < order.created_at - _PLACED_SINCE:
        yield Violation(Kind.FIRED_WRONGLY, order.id, "It fired at a pool that was not open, or older than the order.")


def rests(evidence: Evidence) -> Iterator[Violation]:
    """Nobody rests for long at a price that is paid, or beyond his time, unless a fault kept the watcher away."""
    for order, history in _resting(evidence):
        fired = 0
        for event, after in pairwise([*history, None]):
            if event is None:
                continue
            fired += event.status == "pending"
            until = after.at if after is not None else order.updated_at
            if event.status != "waiting":
                continue
            pause = min(2**fired, _LONGEST_PAUSE) if fired and not _is_amendment(event) else 0
            longest = _longest(evidence, order.id, event.at + pause, until)
            if longest >= SEEN_WITHIN:
                detail = f"From event {event.sequence} on its limit was paid for {longest} s, and it did not fire."
                yield Violation(Kind.NOT_FIRED, order.id, detail)


def _is_amendment(event: EventRecord) -> bool:
    return "changed" in event.meta


def _longest(evidence: Evidence, order_id: str, since: float, until: float) -> int:
    """The longest time within these in which the limit was paid and the watcher undisturbed, in seconds."""
    paid = evidence.market.paid.get(order_id, frozenset())
    longest = length = 0
    for second in range(int(since) + 1, int(until)):
        length = length + 1 if second in paid and not _disturbed(evidence.outages, second) else 0
        longest = max(longest, length)
    return longest


def _disturbed(outages: tuple[Outage, ...], second: float) -> bool:
    return any(outage.since <= second <= outage.until for outage in outages)


def ends(evidence: Evidence) -> Iterator[Violation]:
    """What expires does so at its time: not before, and not long after it."""
    for order, history in _resting(evidence):
        if order.expires_at is None:
            continue
        before = history[-2].status if len(history) > 1 else ""
        if order.status == "expired" and history[-1].at < order.expires_at - _ROUNDED:
            yield Violation(
                Kind.EXPIRED_WRONGLY, order.id, f"It expired {order.expires_at - history[-1].at:.1f} s early."
            )
        seconds = range(int(order.expires_at) + 1, int(history[-1].at))
        late = sum(not _disturbed(evidence.outages, second) for second in seconds)
        if before == "waiting" and late >= SEEN_WITHIN:
            yield Violation(Kind.EXPIRED_WRONGLY, order.id, f"It rested {late} s beyond its time.")


def signatures(evidence: Evidence) -> Iterator[Violation]:
    """Nothing is built after its order's time; what was built before may land later."""
    for order, _ in _resting(evidence):
        if order.expires_at is None or order.last_valid_height is None or not evidence.lifetime_blocks:
            continue
        built = (order.last_valid_height - evidence.lifetime_blocks) * BLOCK_SECONDS
        if built > order.expires_at + BLOCK_SECONDS:
            late = built - order.expires_at
            yield Violation(Kind.SIGNED_LATE, order.id, f"Its transaction was built {late:.1f} s after its time.")


resting_checks: tuple[Callable[[Evidence], Iterator[Violation]], ...] = (limits, firings, rests, ends, signatures)


def _resting(evidence: Evidence) -> Iterator[tuple[OrderRecord, list[EventRecord]]]:
    """Limit and sniper orders with their events."""
    for order in evidence.orders:
        history = sorted((event for event in evidence.events if event.order_id == order.id), key=lambda e: e.sequence)
        if order.rests and history:
            yield order, history


def counts(evidence: Evidence) -> dict[str, int]:
    """What orders that rest went through."""
    histories = list(_resting(evidence))
    events = [event for _, history in histories for event in history]
    return {
        "limit": sum(order.order_type == "limit" for order, _ in histories),
        "sniper": sum(order.order_type == "sniper" for order, _ in histories),
        "fired": sum("trigger" in event.meta for event in events),
        "rested again": sum(event.status == "waiting" and "error" in event.meta for event in events),
        "amended": sum(_is_amendment(event) for event in events),
    }
