"""The promises to whoever follows all orders of a user, as pure functions over what a run left behind."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from localstack.chaos.records import (
    EventRecord,
    Evidence,
    Frame,
    Interruption,
    OrderRecord,
    Unanswered,
    UserConnection,
    UserTranscript,
)
from localstack.chaos.violations import Kind, Violation

# Times are told in milliseconds and kept in microseconds.
_ROUNDED = 0.002
History = Mapping[int, EventRecord]


def user_streams(evidence: Evidence) -> Iterator[Violation]:
    """Each connection a snapshot first, then only the user's orders, each in order, gapless and as its history says."""
    orders = {order.id: order for order in evidence.orders}
    histories = _histories(evidence)
    for transcript in evidence.user_transcripts:
        for connection in transcript.connections:
            if connection.frames and connection.shown is None:
                yield Violation(
                    Kind.OUT_OF_ORDER, connection.frames[0][0], f"{transcript.name} was told before its snapshot."
                )
            for order_id, frames in _by_order(connection).items():
                order = orders.get(order_id)
                if order is None or order.user_id != transcript.user_id:
                    yield Violation(Kind.FOREIGN, order_id, f"{transcript.name} follows {transcript.user_id}.")
                    continue
                yield from _contents(transcript, order_id, frames, histories[order_id])
                yield from _gaps_and_repeats(transcript, connection, order_id, frames, histories[order_id])
            yield from _foreign_shown(transcript, connection, orders)


def undelivered(evidence: Evidence) -> Iterator[Violation]:
    """Whoever follows a user has every status of every one of his orders in the end."""
    histories = _histories(evidence)
    for transcript in evidence.user_transcripts:
        for order in evidence.orders:
            if order.user_id != transcript.user_id:
                continue
            told = {frame.sequence for frame in transcript.frames_of(order.id)}
            missing = sorted(set(histories[order.id]) - told - _known_before(transcript, order, histories[order.id]))
            if missing:
                yield Violation(
                    Kind.UNDELIVERED, order.id, f"{transcript.name} of {transcript.user_id} was never told {missing}."
                )


def reasons(evidence: Evidence, transcript: UserTranscript, order_id: str, frame: Frame) -> Iterator[str]:
    """What may have kept the push that posted this status from recording it."""
    causes: tuple[Interruption | Unanswered, ...] = (*evidence.interruptions, *evidence.unanswered)
    return (each.reason for each in causes if each.explains(order_id, frame, transcript.user_id))


def repeated(transcript: UserTranscript) -> Iterator[tuple[str, Frame, Frame]]:
    """Each status that came again on one connection, with the time before."""
    for connection in transcript.connections:
        for order_id, frames in _by_order(connection).items():
            last: dict[int, Frame] = {}
            for frame in frames:
                if frame.sequence in last:
                    yield order_id, last[frame.sequence], frame
                last[frame.sequence] = frame


def _known_before(transcript: UserTranscript, order: OrderRecord, history: History) -> set[int]:
    """What happened before anything was asked for: shown by the first snapshot, or over by then."""
    first = transcript.first_shown
    if first is None or first.shown is None or first.asked_since is not None:
        return set()
    if order.id in first.shown.open:
        return set(range(1, first.shown.open[order.id] + 1))
    is_over = order.is_over and history[max(history)].at <= first.shown.at
    return set(history) if is_over else set()


def _gaps_and_repeats(
    transcript: UserTranscript, connection: UserConnection, order_id: str, frames: list[Frame], history: History
) -> Iterator[Violation]:
    seen: set[int] = set()
    newest: int | None = None
    for frame in frames:
        if newest is None:
            expected = _first_expected(connection, order_id, history)
            if frame.sequence > expected:
                yield Violation(
                    Kind.GAP, order_id, f"{transcript.name} got {frame.sequence} first, and not {expected}."
                )
            elif frame.sequence < expected and not _is_at_edge(connection, history[frame.sequence]):
                yield Violation(
                    Kind.OUT_OF_ORDER, order_id, f"{transcript.name} got {frame.sequence} first, {expected} was due."
                )
        elif frame.sequence > newest + 1:
            yield Violation(Kind.GAP, order_id, f"{transcript.name} got {frame.sequence} right after {newest}.")
        elif frame.sequence <= newest and frame.sequence not in seen:
            yield Violation(Kind.OUT_OF_ORDER, order_id, f"{transcript.name} got {frame.sequence} after {newest}.")
        seen.add(frame.sequence)
        newest = max(newest or 0, frame.sequence)


def _first_expected(connection: UserConnection, order_id: str, history: History) -> int:
    """The first status of the order that this connection is to be told."""
    if connection.shown is None:
        return 1
    stands_at = connection.shown.open.get(order_id)
    since = connection.shown.since
    again = [event.sequence for event in history.values() if since is not None and event.at > since + _ROUNDED]
    if again and (stands_at is None or min(again) <= stands_at):
        return min(again)
    return 1 if stands_at is None else stands_at + 1


def _is_at_edge(connection: UserConnection, event: EventRecord) -> bool:
    since = connection.shown.since if connection.shown is not None else None
    return since is not None and abs(event.at - since) <= _ROUNDED


def _contents(
    transcript: UserTranscript, order_id: str, frames: Iterable[Frame], history: History
) -> Iterator[Violation]:
    for frame in frames:
        event = history.get(frame.sequence)
        if event is None or (event.status, event.attempt) != (frame.status, frame.attempt):
            said = event.status if event else "nothing"
            yield Violation(
                Kind.WRONG_FRAME,
                order_id,
                f"{transcript.name} was told {frame.status} as {frame.sequence}; the history says {said}.",
            )


def _foreign_shown(
    transcript: UserTranscript, connection: UserConnection, orders: Mapping[str, OrderRecord]
) -> Iterator[Violation]:
    for order_id in connection.shown.open if connection.shown is not None else ():
        if order_id not in orders or orders[order_id].user_id != transcript.user_id:
            yield Violation(
                Kind.FOREIGN, order_id, f"{transcript.name} was shown it, and follows {transcript.user_id}."
            )


def _by_order(connection: UserConnection) -> Mapping[str, list[Frame]]:
    grouped: dict[str, list[Frame]] = defaultdict(list)
    for order_id, frame in connection.frames:
        grouped[order_id].append(frame)
    return grouped


def _histories(evidence: Evidence) -> Mapping[str, History]:
    grouped: dict[str, dict[int, EventRecord]] = defaultdict(dict)
    for event in evidence.events:
        grouped[event.order_id][event.sequence] = event
    return grouped


user_checks: tuple[Callable[[Evidence], Iterator[Violation]], ...] = (user_streams, undelivered)
