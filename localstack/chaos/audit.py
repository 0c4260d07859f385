"""The engine's promises as pure functions over what a run left behind."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from localstack.chaos.records import (
    CONFIRMED,
    ChainRecord,
    Connection,
    EventRecord,
    Evidence,
    Frame,
    Interruption,
    OrderRecord,
    Transcript,
    Unanswered,
)
from localstack.chaos.resting_audit import resting_checks
from localstack.chaos.user_audit import reasons, repeated, user_checks
from localstack.chaos.violations import Kind, Violation
from order_engine import OVER


@dataclass(frozen=True)
class Repeat:
    """A status that a follower got a second time on one connection."""

    order_id: str
    follower: str
    sequence: int
    at: float
    # Why that may be, None where nothing explains it.
    reason: str | None


# What may follow what, written down a second time on purpose: with the engine's own table (domain/transitions.py) the
# audit would let pass what that allows by mistake.
FOLLOWS: Mapping[str, frozenset[str]] = {
    "waiting": frozenset({"pending", "waiting", "cancelled", "expired", "failed"}),
    "pending": frozenset({"routing", "failed", "cancelled", "expired"}),
    "routing": frozenset({"building", "routing", "waiting", "failed", "cancelled", "expired"}),
    "building": frozenset({"submitted", "routing", "waiting", "failed", "cancelled", "expired"}),
    "submitted": frozenset({CONFIRMED, "routing", "waiting", "failed"}),
}


def audit(evidence: Evidence) -> tuple[Violation, ...]:
    """Every broken promise; empty where all hold."""
    checks: tuple[Callable[[Evidence], Iterator[Violation]], ...] = (
        lost,
        stuck,
        settlements,
        histories,
        streams,
        unexplained_repeats,
        dead_letters,
        *resting_checks,
        *user_checks,
    )
    return tuple(violation for check in checks for violation in check(evidence))


def lost(evidence: Evidence) -> Iterator[Violation]:
    """A 202 whose order does not exist."""
    known = {order.id for order in evidence.orders}
    for order_id in sorted(evidence.accepted - known):
        yield Violation(Kind.LOST, order_id, "It was answered with 202 and is not in the history.")


def stuck(evidence: Evidence) -> Iterator[Violation]:
    """An order that did not end, accepted or not: what is committed must be executed."""
    for order in evidence.orders:
        if not order.is_over:
            yield Violation(Kind.STUCK, order.id, f"It is still {order.status} (attempt {order.attempt}).")


def settlements(evidence: Evidence) -> Iterator[Violation]:
    """One settlement for a confirmed order, none for any other."""
    settled: dict[str, list[ChainRecord]] = defaultdict(list)
    for transaction in evidence.chain:
        if transaction.settles:
            settled[transaction.order_id].append(transaction)
    orders = {order.id: order for order in evidence.orders}
    for order_id, transactions in settled.items():
        if len(transactions) > 1:
            signatures = ", ".join(transaction.signature[:8] for transaction in transactions)
            yield Violation(Kind.SETTLED_TWICE, order_id, f"{len(transactions)} transactions settled: {signatures}.")
        order = orders.get(order_id)
        if order is None:
            yield Violation(Kind.LOST, order_id, "A transaction settled for an order that is not in the history.")
        elif order.is_over and order.status != CONFIRMED:
            yield Violation(Kind.SETTLED_BUT_FAILED, order_id, f"It is {order.status}, yet its swap settled.")
    for order in evidence.orders:
        if order.status == CONFIRMED:
            yield from _confirmation(order, settled[order.id])


def _confirmation(order: OrderRecord, settled: list[ChainRecord]) -> Iterator[Violation]:
    if not settled:
        yield Violation(Kind.CONFIRMED_UNSETTLED, order.id, "It is confirmed and no transaction of it settled.")
        return
    known = {(each.signature, each.amount_in, each.amount_out) for each in settled}
    if (order.signature, order.amount_in, order.amount_out) not in known:
        yield Violation(Kind.WRONG_FILL, order.id, "Its signature or amounts are not those of what settled.")


def histories(evidence: Evidence) -> Iterator[Violation]:
    """Sequences 1, 2, 3 …, possible successions, and an end that is the order's own."""
    events = _by_order(evidence.events)
    for order in evidence.orders:
        history = sorted(events[order.id], key=lambda event: event.sequence)
        sequences = [event.sequence for event in history]
        if sequences != list(range(1, order.sequence + 1)):
            yield Violation(
                Kind.HISTORY_GAP, order.id, f"The order is at sequence {order.sequence}, its events are {sequences}."
            )
            continue
        yield from _impossible_moves(order, history)


def _impossible_moves(order: OrderRecord, history: list[EventRecord]) -> Iterator[Violation]:
    if history[0].status not in ("pending", "waiting" if order.rests else "pending"):
        yield Violation(Kind.HISTORY_ILLEGAL, order.id, f"It began as {history[0].status}.")
    for before, after in pairwise(history):
        if after.status not in FOLLOWS.get(before.status, frozenset()):
            yield Violation(
                Kind.HISTORY_ILLEGAL, order.id, f"{before.status} was followed by {after.status} ({after.sequence})."
            )
        retried = after.status == "routing" and before.status != "pending"
        # What expired because nobody worked on it in time is routed anew within its attempt.
        free = before.status in ("building", "submitted") and after.attempt == before.attempt
        # Each firing begins with the first attempt.
        begins_anew = after.status == "waiting" and after.attempt == 1
        if after.attempt != before.attempt + retried and not free and not begins_anew:
            yield Violation(
                Kind.HISTORY_ILLEGAL, order.id, f"Attempt {before.attempt} became {after.attempt} at {after.sequence}."
            )
    if (history[-1].status, history[-1].attempt) != (order.status, order.attempt):
        yield Violation(
            Kind.HISTORY_ILLEGAL, order.id, f"The order is {order.status}, its last event {history[-1].status}."
        )


def streams(evidence: Evidence) -> Iterator[Violation]:
    """Every connection in order and without a gap, every follower that stayed told the end."""
    orders = {order.id: order for order in evidence.orders}
    events = {(event.order_id, event.sequence): event for event in evidence.events}
    for transcript in evidence.transcripts:
        for connection in transcript.connections:
            yield from _order_of(transcript, connection)
            yield from _contents_of(transcript, connection, events)
        order = orders.get(transcript.order_id)
        if transcript.stays and order is not None and order.is_over and not transcript.has_the_end:
            yield Violation(
                Kind.NEVER_TOLD,
                transcript.order_id,
                f"{transcript.name} has statuses up to {transcript.last_sequence} of {order.sequence}.",
            )


def _order_of(transcript: Transcript, connection: Connection) -> Iterator[Violation]:
    seen: set[int] = set()
    newest = connection.after
    for frame in connection.frames:
        if frame.sequence > newest + 1:
            yield Violation(
                Kind.GAP, transcript.order_id, f"{transcript.name} got {frame.sequence} right after {newest}."
            )
        elif frame.sequence <= newest and frame.sequence not in seen:
            yield Violation(
                Kind.OUT_OF_ORDER, transcript.order_id, f"{transcript.name} got {frame.sequence} after {newest}."
            )
        seen.add(frame.sequence)
        newest = max(newest, frame.sequence)


def _contents_of(
    transcript: Transcript, connection: Connection, events: Mapping[tuple[str, int], EventRecord]
) -> Iterator[Violation]:
    for frame in connection.frames:
        event = events.get((transcript.order_id, frame.sequence))
        if event is None or (event.status, event.attempt) != (frame.status, frame.attempt):
            yield Violation(
                Kind.WRONG_FRAME,
                transcript.order_id,
                f"{transcript.name} was told {frame.status} as {frame.sequence}; the history says "
                f"{event.status if event else 'nothing'}.",
            )


def repeats(evidence: Evidence) -> tuple[Repeat, ...]:
    """Every status that came twice on one connection, with what explains it."""
    of_orders = (
        Repeat(transcript.order_id, transcript.name, second.sequence, second.at, _reason(evidence, transcript, first))
        for transcript in evidence.transcripts
        for connection in transcript.connections
        for first, second in _repeated(connection.frames)
    )
    of_users = (
        Repeat(
            order_id,
            transcript.name,
            second.sequence,
            second.at,
            next(reasons(evidence, transcript, order_id, first), None),
        )
        for transcript in evidence.user_transcripts
        for order_id, first, second in repeated(transcript)
    )
    return (*of_orders, *of_users)


def _repeated(frames: Iterable[Frame]) -> Iterator[tuple[Frame, Frame]]:
    """Each status that came again, with the time before: a third time needs a reason of its own."""
    last: dict[int, Frame] = {}
    for frame in frames:
        if frame.sequence in last:
            yield last[frame.sequence], frame
        last[frame.sequence] = frame


def _reason(evidence: Evidence, transcript: Transcript, frame: Frame) -> str | None:
    """What may have kept the push that posted this status from recording it."""
    causes: tuple[Interruption | Unanswered, ...] = (*evidence.interruptions, *evidence.unanswered)
    return next((each.reason for each in causes if each.explains(transcript.order_id, frame)), None)


def count_excusable(evidence: Evidence) -> tuple[int, int]:
    """How many statuses could come again without being a violation, and how many there were at all."""
    reasons = [
        _reason(evidence, transcript, frame)
        for transcript in evidence.transcripts
        for connection in transcript.connections
        for frame in connection.frames
    ]
    return sum(reason is not None for reason in reasons), len(reasons)


def unexplained_repeats(evidence: Evidence) -> Iterator[Violation]:
    """A repeat is allowed only where the push that told it first was stopped before it could record it, or got no
    answer and so could not know.
    """
    for repeat in repeats(evidence):
        if repeat.reason is None:
            yield Violation(Kind.REPEAT, repeat.order_id, f"{repeat.follower} got {repeat.sequence} twice.")


def dead_letters(evidence: Evidence) -> Iterator[Violation]:
    """A message is archived only once its order is over."""
    orders = {order.id: order for order in evidence.orders}
    for letter in evidence.dead_letters:
        order = orders.get(letter.order_id or "")
        if order is not None and not order.is_over:
            yield Violation(Kind.LEFT_OPEN, order.id, f"Its message was a dead letter and it is still {order.status}.")


def longest_silence(evidence: Evidence) -> float:
    """Seconds of the longest stretch in which an order that was not at rest did not move."""
    gaps = (
        after.at - before.at
        for history in _by_order(evidence.events).values()
        for before, after in pairwise(sorted(history, key=lambda event: event.sequence))
        if before.status != "waiting"
    )
    return max(gaps, default=0.0)


def _by_order(events: Iterable[EventRecord]) -> dict[str, list[EventRecord]]:
    grouped: dict[str, list[EventRecord]] = defaultdict(list)
    for event in events:
        grouped[event.order_id].append(event)
    return grouped


def count_by_end(evidence: Evidence) -> dict[str, int]:
    """How many orders ended how."""
    return {
        status: sum(order.status == status for order in evidence.orders)
        for status in (CONFIRMED, *sorted(OVER - {CONFIRMED}))
    }
