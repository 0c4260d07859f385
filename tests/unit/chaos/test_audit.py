"""The audit must be able to fail: every promise is broken here once, and a clean run is left alone."""

from dataclasses import replace

import pytest

from localstack.chaos.audit import Kind, audit, longest_silence, repeats
from localstack.chaos.records import (
    ChainRecord,
    Connection,
    DeadLetterRecord,
    EventRecord,
    Evidence,
    Excuse,
    Frame,
    OrderRecord,
    Transcript,
)

STATUSES = ("pending", "routing", "building", "submitted", "confirmed")
ID = "ord_1"


def order(status: str = "confirmed", **changes: object) -> OrderRecord:
    whole = OrderRecord(
        id=ID,
        status=status,
        attempt=1,
        sequence=5,
        signature="sig" if status == "confirmed" else None,
        amount_in=10 if status == "confirmed" else None,
        amount_out=20 if status == "confirmed" else None,
        error_code=None,
        error_message=None,
        created_at=0,
        updated_at=4,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def events(*statuses: str, attempt: int = 1) -> tuple[EventRecord, ...]:
    return tuple(
        EventRecord(ID, sequence, status, attempt, f"Event {sequence}.", float(sequence))
        for sequence, status in enumerate(statuses, start=1)
    )


def settled(signature: str = "sig", **changes: object) -> ChainRecord:
    whole = ChainRecord(signature, ID, 1, "settles", 1, 10, 20, 3.0, 3.5)
    return replace(whole, **changes)  # type: ignore[arg-type]


def frames(*sequences: int) -> list[Frame]:
    return [Frame(sequence, STATUSES[sequence - 1], 1, 100.0 + place) for place, sequence in enumerate(sequences)]


def follower(*sequences: int, after: int = 0) -> Transcript:
    return Transcript(ID, "early", [Connection(after, 0.0, frames(*sequences))])


def evidence(**changes: object) -> Evidence:
    clean = Evidence(
        accepted=frozenset({ID}),
        orders=(order(),),
        events=events(*STATUSES),
        chain=(settled(),),
        dead_letters=(),
        transcripts=(follower(1, 2, 3, 4, 5),),
    )
    return replace(clean, **changes)  # type: ignore[arg-type]


FAILED = {
    "orders": (order("failed", sequence=2, error_code="no_quote"),),
    "events": events("pending", "failed"),
    "chain": (),
    "transcripts": (),
}


def kinds(given: Evidence) -> set[Kind]:
    return {violation.kind for violation in audit(given)}


@pytest.mark.parametrize(
    "clean",
    [
        evidence(),
        evidence(**FAILED),
        evidence(chain=(settled(), settled("earlier", outcome="expired"))),
        evidence(transcripts=(follower(4, 5, after=3),)),
        evidence(
            transcripts=(
                Transcript(ID, "back", [Connection(0, 0.0, frames(1, 2)), Connection(2, 1.0, frames(3, 4, 5))]),
            )
        ),
        evidence(transcripts=(Transcript(ID, "left", [Connection(0, 0.0, frames(1))], stays=False),)),
        evidence(dead_letters=(DeadLetterRecord("m", ID, "buried", 1.0), DeadLetterRecord("n", None, "no order", 1.0))),
        Evidence(frozenset(), (), (), (), (), ()),
    ],
)
def test_a_clean_run_passes(clean: Evidence) -> None:
    assert audit(clean) == ()


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (evidence(accepted=frozenset({ID, "ord_2"})), Kind.LOST),
        (evidence(chain=(settled(), settled("other", order_id="ord_2"))), Kind.LOST),
        (evidence(orders=(order("submitted", sequence=4),), events=events(*STATUSES[:4])), Kind.STUCK),
        (evidence(chain=(settled(), settled("again", attempt=2))), Kind.SETTLED_TWICE),
        (evidence(**{**FAILED, "chain": (settled(),)}), Kind.SETTLED_BUT_FAILED),
        (
            evidence(
                orders=(order("cancelled", sequence=2),),
                events=events("pending", "cancelled"),
                transcripts=(),
            ),
            Kind.SETTLED_BUT_FAILED,
        ),
        (evidence(chain=()), Kind.CONFIRMED_UNSETTLED),
        (evidence(chain=(settled(outcome="reverts"),)), Kind.CONFIRMED_UNSETTLED),
        (evidence(chain=(settled("other"),)), Kind.WRONG_FILL),
        (evidence(chain=(settled(amount_out=21),)), Kind.WRONG_FILL),
        (evidence(events=(*events(*STATUSES)[:2], *events(*STATUSES)[3:])), Kind.HISTORY_GAP),
        (evidence(events=()), Kind.HISTORY_GAP),
        (evidence(events=(*events(*STATUSES), events(*STATUSES)[4])), Kind.HISTORY_GAP),
        (evidence(events=events("pending", "routing", "submitted", "submitted", "confirmed")), Kind.HISTORY_ILLEGAL),
        (evidence(events=events("routing", "routing", "building", "submitted", "confirmed")), Kind.HISTORY_ILLEGAL),
        (evidence(events=events("pending", "routing", "building", "submitted", "failed")), Kind.HISTORY_ILLEGAL),
        (
            evidence(events=(*events(*STATUSES[:4]), replace(events(*STATUSES)[4], attempt=2))),
            Kind.HISTORY_ILLEGAL,
        ),
        (
            evidence(
                orders=(order(sequence=6),),
                events=events("pending", "routing", "routing", "building", "submitted", "confirmed"),
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
                orders=(order("routing", sequence=2),),
                events=events("pending", "routing"),
                chain=(),
                transcripts=(),
                dead_letters=(DeadLetterRecord("m", ID, "buried", 1.0),),
            ),
            Kind.UNBURIED,
        ),
    ],
)
def test_each_broken_promise_is_found(broken: Evidence, kind: Kind) -> None:
    assert kind in kinds(broken)
    assert all(violation.detail.endswith(".") for violation in audit(broken))


def test_a_repeat_is_allowed_while_a_push_was_stopped() -> None:
    repeated = evidence(transcripts=(follower(1, 2, 2, 3, 4, 5),))
    assert kinds(replace(repeated, excuses=(Excuse(101.0, 103.0, "push killed"),))) == set()
    assert kinds(replace(repeated, excuses=(Excuse(0.0, 101.5, "push killed"),))) == {Kind.REPEAT}
    assert [repeat.sequence for repeat in repeats(repeated)] == [2]


def test_a_step_back_over_a_gap_is_no_mere_repeat() -> None:
    assert kinds(evidence(transcripts=(follower(1, 2, 4, 3, 5),))) == {Kind.GAP, Kind.OUT_OF_ORDER}


def test_the_longest_silence_is_between_two_events_of_one_order() -> None:
    assert longest_silence(evidence()) == 1.0
    late = (*events(*STATUSES[:4]), replace(events(*STATUSES)[4], at=40.0))
    assert longest_silence(evidence(events=late)) == 36.0
    assert longest_silence(Evidence(frozenset(), (), (), (), (), ())) == 0.0
