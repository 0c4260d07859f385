"""What followers of all orders of a user were told, held against the histories."""

import json
from dataclasses import replace

import pytest

from localstack.chaos import evidence as reading
from localstack.chaos.audit import repeats
from localstack.chaos.records import (
    Evidence,
    Frame,
    Interruption,
    SnapshotFrame,
    Unanswered,
    UserConnection,
    UserTranscript,
)
from localstack.chaos.violations import Kind
from localstack.logs.log_lines import Line
from tests.unit.chaos.evidence import a_settlement, an_order, kinds, some_events, some_frames

# Its statuses are of the seconds 101 to 105, and of 201 to 205.
FIRST, SECOND, FOREIGN = "ord_1", "ord_2", "ord_3"


def told(order_id: str, *sequences: int, at: float = 300.0) -> list[tuple[str, Frame]]:
    return [(order_id, frame) for frame in some_frames(*sequences, at=at)]


def connection(
    *frames: tuple[str, Frame], since: float | None = None, at: float = 50.0, shown: dict[str, int] | None = None
) -> UserConnection:
    """One that was asked for what happened from a minute later than `since`, as the service takes it."""
    asked = None if since is None else since + 60
    return UserConnection(asked, at, SnapshotFrame(at, since, shown or {}), list(frames))


def seen(*connections: UserConnection, **changes: object) -> Evidence:
    ids = (FIRST, SECOND, FOREIGN)
    whole = Evidence(
        accepted=frozenset(ids),
        orders=tuple(an_order(each, user_id="bob" if each == FOREIGN else "ann") for each in ids),
        events=tuple(
            event for each in ids for event in some_events(order_id=each, since=200 if each == SECOND else 100)
        ),
        chain=tuple(a_settlement(order_id=each) for each in ids),
        dead_letters=(),
        transcripts=(),
        user_transcripts=(UserTranscript("ann", "early of all", list(connections)),),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


EVERYTHING = (*told(FIRST, 1, 2, 3, 4, 5), *told(SECOND, 1, 2, 3, 4, 5))


@pytest.mark.parametrize(
    "clean",
    [
        [connection(*EVERYTHING)],
        # Interleaved, as orders overtake each other.
        [connection(*told(SECOND, 1, 2), *told(FIRST, 1, 2, 3), *told(SECOND, 3, 4, 5), *told(FIRST, 4, 5))],
        # Came when one was under way and hears of it from what it was shown on.
        [connection(*told(FIRST, 4, 5), *told(SECOND, 1, 2, 3, 4, 5), at=103.5, shown={FIRST: 3})],
        # Came when one was over, and had not asked for it.
        [connection(*told(SECOND, 1, 2, 3, 4, 5), at=150.0)],
        # Had asked for it: from the third status on, which the snapshot is past.
        [connection(*told(FIRST, 1, 2)), connection(*told(FIRST, 3, 4, 5), *EVERYTHING[5:], since=102.5, at=110.0)],
        # A break in the middle: the minute before is told again.
        [
            connection(*told(FIRST, 1, 2)),
            connection(*told(FIRST, 2, 3, 4, 5), *EVERYTHING[5:], since=101.5, at=104.0, shown={FIRST: 3}),
        ],
        # The first connection broke before its snapshot.
        [UserConnection(None, 40.0), connection(*EVERYTHING)],
    ],
)
def test_a_clean_stream_passes(clean: list[UserConnection]) -> None:
    assert kinds(seen(*clean)) == set()


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        ([connection(*EVERYTHING[:-1])], Kind.UNDELIVERED),
        ([connection(*EVERYTHING[:5])], Kind.UNDELIVERED),
        ([], Kind.UNDELIVERED),
        # It broke off, and what happened meanwhile never came.
        ([connection(*told(FIRST, 1, 2)), connection(*EVERYTHING[5:], since=101.5, at=150.0)], Kind.UNDELIVERED),
        ([connection(*told(FIRST, 1, 3, 4, 5), *EVERYTHING[5:])], Kind.GAP),
        ([connection(*told(FIRST, 2, 3, 4, 5), *EVERYTHING[5:])], Kind.GAP),
        ([connection(*told(FIRST, 5), *EVERYTHING[5:], at=103.5, shown={FIRST: 3})], Kind.GAP),
        ([connection(*told(FIRST, 2, 3, 4, 5), *EVERYTHING[5:], at=103.5, shown={FIRST: 3})], Kind.OUT_OF_ORDER),
        ([connection(*told(FIRST, 1, 3, 2, 4, 5), *EVERYTHING[5:])], Kind.OUT_OF_ORDER),
        ([UserConnection(None, 50.0, None, list(EVERYTHING))], Kind.OUT_OF_ORDER),
        ([connection(*told(FIRST, 1, 2, 2, 3, 4, 5), *EVERYTHING[5:])], Kind.REPEAT),
        ([connection(*EVERYTHING, *told(FOREIGN, 1))], Kind.FOREIGN),
        ([connection(*EVERYTHING, *told("ord_4", 1))], Kind.FOREIGN),
        ([connection(*EVERYTHING, shown={FOREIGN: 1})], Kind.FOREIGN),
        ([connection((FIRST, Frame(1, "routing", 1, 1.0)), *EVERYTHING[1:])], Kind.WRONG_FRAME),
    ],
)
def test_each_broken_promise_is_found(broken: list[UserConnection], kind: Kind) -> None:
    assert kind in kinds(seen(*broken))


AGAIN = connection(*told(FIRST, 1, 2, at=101.0), *told(FIRST, 2, 3, 4, 5, at=130.0), *EVERYTHING[5:])
KILLED = Interruption(102.5, "push killed", {}, {"ann": ({FIRST: 1},)})
BUSY = Unanswered(104.0, FIRST, "a post was not answered in time", 5.0)


@pytest.mark.parametrize(
    "reason",
    [
        KILLED,
        # Nothing of the order is noted for the second of two followers.
        replace(KILLED, of_users={"ann": ({FIRST: 5}, {})}),
        BUSY,
        replace(BUSY, order_id=None),
    ],
)
def test_a_status_comes_again_where_its_push_was_stopped_or_heard_no_answer(reason: Interruption | Unanswered) -> None:
    given = seen(AGAIN, **{"interruptions" if isinstance(reason, Interruption) else "unanswered": (reason,)})
    assert kinds(given) == set()
    assert [repeat.reason for repeat in repeats(given)] == [reason.reason]


@pytest.mark.parametrize(
    "no_reason",
    [
        replace(KILLED, of_users={"ann": ({FIRST: 2},)}),
        replace(KILLED, of_users={"bob": ({},)}),
        replace(KILLED, of_users={}, recorded={FIRST: 0}),
        replace(KILLED, at=120.0),
        replace(BUSY, order_id=SECOND),
        replace(BUSY, at=90.0),
        replace(BUSY, at=120.0),
    ],
)
def test_a_fault_elsewhere_excuses_nothing(no_reason: Interruption | Unanswered) -> None:
    given = seen(AGAIN, **{"interruptions" if isinstance(no_reason, Interruption) else "unanswered": (no_reason,)})
    assert kinds(given) == {Kind.REPEAT}


def test_calls_without_an_answer_are_read_from_what_functions_logged() -> None:
    def line(**fields: object) -> Line:
        return Line("push-status", 1.0, json.dumps({"timestamp": "2026-11-27 01:00:00,500+0000", **fields}))

    down = "The connections table cannot be reached: timed out"
    lines = [
        line(message="post_refused", order_id=FIRST, reason="Read timed out. (read timeout=2)"),
        line(message="post_refused", order_id=FIRST, reason="403 {}"),
        line(message="group_returned", order_id=SECOND, reason=down),
        line(message="group_returned", reason=down),
        line(message="group_returned", order_id=SECOND, reason="Too many followers for one invocation."),
        Line("push-status", 1.0, "Traceback"),
        Line("push-status", 1.0, "7"),
    ]
    found = list(reading.unanswered_pushes(lines))
    assert [(each.order_id, each.at % 60) for each in found] == [(FIRST, 0.5), (SECOND, 0.5), (None, 0.5)]
