"""The audit must be able to fail: every promise is broken here once, and a clean run is left alone."""

from dataclasses import replace

import pytest

from localstack.chaos.audit import count_excusable, longest_silence, repeats
from localstack.chaos.records import (
    ARRIVES_WITHIN,
    RECORDED_WITHIN,
    Connection,
    DeadLetterRecord,
    EventRecord,
    Evidence,
    Frame,
    Interruption,
    Transcript,
)  # fmt: skip
from localstack.chaos.violations import Kind
from tests.unit.chaos.evidence import (
    ID,
    NOTHING,
    STATUSES,
    a_settlement,
    an_order,
    kinds,
    some_events,
    some_evidence,
    some_frames,
)  # fmt: skip


def follower(*sequences: int, after: int = 0) -> Transcript:
    return Transcript(ID, "early", [Connection(after, 0.0, some_frames(*sequences))])


def history(statuses: str) -> tuple[EventRecord, ...]:
    return some_events(statuses.split())


def evidence(**changes: object) -> Evidence:
    """Of an order that somebody followed from its first to its last status."""
    return some_evidence(**{"transcripts": (follower(1, 2, 3, 4, 5),), **changes})


FAILED = {
    "orders": (an_order(status="failed", sequence=2, error_code="no_quote"),),
    "events": history("pending failed"),
    "chain": (),
    "transcripts": (),
}
BACK = Transcript(ID, "back", [Connection(0, 0.0, some_frames(1, 2)), Connection(2, 1.0, some_frames(3, 4, 5))])


@pytest.mark.parametrize(
    "clean",
    [
        evidence(),
        evidence(**FAILED),
        evidence(chain=(a_settlement(), a_settlement("earlier", outcome="expired"))),
        evidence(transcripts=(follower(4, 5, after=3),)),
        evidence(transcripts=(BACK,)),
        evidence(transcripts=(Transcript(ID, "left", [Connection(0, 0.0, some_frames(1))], stays=False),)),
        evidence(dead_letters=(DeadLetterRecord("m", ID, "failed", 1.0), DeadLetterRecord("n", None, "no order", 1.0))),
        NOTHING,
    ],
)
def test_a_clean_run_passes(clean: Evidence) -> None:
    assert kinds(clean) == set()


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (evidence(accepted=frozenset({ID, "ord_2"})), Kind.LOST),
        (evidence(chain=(a_settlement(), a_settlement("other", order_id="ord_2"))), Kind.LOST),
        (evidence(orders=(an_order(status="submitted", sequence=4),), events=some_events(STATUSES[:4])), Kind.STUCK),
        (evidence(chain=(a_settlement(), a_settlement("again", attempt=2))), Kind.SETTLED_TWICE),
        (evidence(**{**FAILED, "chain": (a_settlement(),)}), Kind.SETTLED_BUT_FAILED),
        (
            evidence(
                orders=(an_order(status="cancelled", sequence=2),), events=history("pending cancelled"), transcripts=()
            ),
            Kind.SETTLED_BUT_FAILED,
        ),
        (evidence(chain=()), Kind.CONFIRMED_UNSETTLED),
        (evidence(chain=(a_settlement(outcome="reverts"),)), Kind.CONFIRMED_UNSETTLED),
        (evidence(chain=(a_settlement("other"),)), Kind.WRONG_FILL),
        (evidence(chain=(a_settlement(amount_out=21),)), Kind.WRONG_FILL),
        (evidence(events=(*some_events()[:2], *some_events()[3:])), Kind.HISTORY_GAP),
        (evidence(events=()), Kind.HISTORY_GAP),
        (evidence(events=(*some_events(), some_events()[4])), Kind.HISTORY_GAP),
        (evidence(events=history("pending routing submitted submitted confirmed")), Kind.HISTORY_ILLEGAL),
        (evidence(events=history("routing routing building submitted confirmed")), Kind.HISTORY_ILLEGAL),
        (evidence(events=history("pending routing building submitted failed")), Kind.HISTORY_ILLEGAL),
        (evidence(events=(*some_events(STATUSES[:4]), replace(some_events()[4], attempt=2))), Kind.HISTORY_ILLEGAL),
        (
            evidence(
                orders=(an_order(sequence=6),), events=history("pending routing routing building submitted confirmed")
            ),
            Kind.HISTORY_ILLEGAL,
        ),
        (evidence(transcripts=(follower(1, 3, 4, 5),)), Kind.GAP),
        (evidence(transcripts=(follower(2, 3, 4, 5),)), Kind.GAP),
        (evidence(transcripts=(follower(5, after=3),)), Kind.GAP),
        (evidence(transcripts=(follower(1, 3, 2, 4, 5),)), Kind.OUT_OF_ORDER),
        (evidence(transcripts=(follower(3, 4, 5, after=3),)), Kind.OUT_OF_ORDER),
        (evidence(transcripts=(follower(1, 2, 2, 3, 4, 5),)), Kind.REPEAT),
        (evidence(transcripts=(follower(1, 2, 3),)), Kind.NEVER_TOLD),
        (evidence(transcripts=(Transcript(ID, "refused"),)), Kind.NEVER_TOLD),
        (
            evidence(transcripts=(Transcript(ID, "lied to", [Connection(0, 0, [Frame(1, "routing", 1, 1.0)])]),)),
            Kind.WRONG_FRAME,
        ),
        (
            evidence(
                orders=(an_order(status="routing", sequence=2),),
                events=history("pending routing"),
                chain=(),
                transcripts=(),
                dead_letters=(DeadLetterRecord("m", ID, "failed", 1.0),),
            ),
            Kind.LEFT_OPEN,
        ),
    ],
)
def test_each_broken_promise_is_found(broken: Evidence, kind: Kind) -> None:
    assert kind in kinds(broken)


# The follower had both at 101, and only the first of them is on record.
KILLED = Interruption(101.5, "push killed", {ID: 1})


def test_a_status_may_come_again_where_its_push_died_before_recording_it() -> None:
    again = evidence(transcripts=(follower(1, 2, 2, 3, 4, 5),))
    assert kinds(again) == {Kind.REPEAT}
    assert kinds(replace(again, interruptions=(KILLED,))) == set()
    assert [(repeat.sequence, repeat.reason) for repeat in repeats(replace(again, interruptions=(KILLED,)))] == [
        (2, "push killed")
    ]


@pytest.mark.parametrize(
    "no_reason",
    [
        replace(KILLED, recorded={ID: 2}),
        replace(KILLED, recorded={"ord_2": 0}),
        replace(KILLED, recorded={}),
        replace(KILLED, at=101.0 - ARRIVES_WITHIN - 0.1),
        replace(KILLED, at=101.0 + RECORDED_WITHIN + 0.1),
    ],
    ids=["it was recorded", "another order's push", "nobody follows", "before it was posted", "long after"],
)
def test_a_fault_elsewhere_or_at_another_time_excuses_nothing(no_reason: Interruption) -> None:
    again = evidence(transcripts=(follower(1, 2, 2, 3, 4, 5),))
    assert kinds(replace(again, interruptions=(no_reason,))) == {Kind.REPEAT}


def test_one_death_excuses_one_repeat() -> None:
    """A third time, long after the push that died, needs a death of its own."""
    moments = ((1, 100.0), (2, 101.0), (2, 127.0), (2, 153.0), (3, 154.0), (4, 155.0), (5, 156.0))
    seen = [Frame(sequence, STATUSES[sequence - 1], 1, at) for sequence, at in moments]
    thrice = evidence(transcripts=(Transcript(ID, "early", [Connection(0, 0.0, seen)]),))
    assert kinds(replace(thrice, interruptions=(KILLED,))) == {Kind.REPEAT}
    assert kinds(replace(thrice, interruptions=(KILLED, replace(KILLED, at=127.5)))) == set()


def test_how_much_a_death_could_excuse_is_counted() -> None:
    assert count_excusable(evidence()) == (0, 5)
    # Those that were posted within its time and are not on record.
    assert count_excusable(evidence(interruptions=(KILLED,))) == (3, 5)


def test_a_step_back_over_a_gap_is_no_mere_repeat() -> None:
    assert kinds(evidence(transcripts=(follower(1, 2, 4, 3, 5),))) == {Kind.GAP, Kind.OUT_OF_ORDER}


def test_the_longest_silence_is_between_two_events_of_one_order() -> None:
    assert longest_silence(evidence()) == 1.0
    late = (*some_events(STATUSES[:4]), replace(some_events()[4], at=140.0))
    assert longest_silence(evidence(events=late)) == 36.0
    assert longest_silence(NOTHING) == 0.0
