"""The plan is the seed's, the report tells what is wrong, and the command's exit status too."""

import importlib
import io
import random
from dataclasses import replace

import pytest
from rich.console import Console

from localstack.chaos import report, run
from localstack.chaos.audit import audit
from localstack.chaos.faults import InjectedFault, failing
from localstack.chaos.orders import order_drafts
from localstack.chaos.plan import ALL_CRASH_POINTS, WEIGHTS, plan
from localstack.chaos.records import Connection, DeadLetterRecord, Evidence, Frame, Transcript
from localstack.chaos.report import Result
from localstack.chaos.violations import Kind
from localstack.commands import chaos
from tests.fakes.programs import invoke
from tests.unit.chaos.evidence import ID, NOTHING, a_settlement, some_events, some_evidence, some_frames


def evidence(settlements: int) -> Evidence:
    """An order that is confirmed, and that settled so often."""
    transcript = Transcript(
        ID, "early", [Connection(0, 99.0, some_frames(1, 2, 3, 4, 5, at=100.5), 106.0, "had the end")]
    )
    return some_evidence(
        events=some_events(since=99.0),
        chain=tuple(a_settlement(f"again-{n}" if n else "") for n in range(settlements)),
        dead_letters=(DeadLetterRecord("m-1", ID, "failed", 105.0),),
        transcripts=(transcript,),
    )


def result(settlements: int) -> Result:
    seen = evidence(settlements)
    faults = (InjectedFault(101.0, "killed a worker"), InjectedFault(900.0, "long afterwards"))
    return Result(seen, audit(seen), (), faults, {"kill -9": 1, "freeze": 0}, "1 orders", 12.0)


def shown(given: Result) -> str:
    written = io.StringIO()
    report.show(given, Console(width=200, file=written))
    return written.getvalue()


def test_a_clean_run_is_a_table() -> None:
    text = shown(result(1))
    assert "1 (1 confirmed, 0 cancelled, 0 expired, 0 failed)" in text
    assert "1 kill -9" in text
    assert "freeze" not in text
    assert "statuses that could have come twice" in text
    assert "0 of 5 (0.0%)" in text
    assert "Every promise held." in text
    assert "event 1" not in text


def test_a_violation_comes_with_the_whole_story_of_its_order() -> None:
    broken = result(2)
    assert {violation.kind for violation in broken.violations} == {Kind.SETTLED_TWICE}
    text = shown(broken)
    assert "1 violation." in text
    lines = [line.strip() for line in text.splitlines()]
    story = lines[lines.index(ID) :]
    for told in (
        "settled twice: 2 transactions settled",
        "killed a worker",
        "got 5 confirmed",
        "dead letter m-1: failed",
    ):
        assert any(told in line for line in story), told
    assert not any("long afterwards" in line for line in story)
    moments = [float(line.split(" s ", 1)[0]) for line in story if " s  " in line and line[0].isdigit()]
    assert moments == sorted(moments)


def test_only_the_first_stories_are_told() -> None:
    orders = tuple(replace(evidence(1).orders[0], id=f"ord_{n}") for n in range(9))
    seen = replace(evidence(1), orders=orders, chain=())
    text = shown(Result(seen, audit(seen)))
    assert "more orders:" in text


UNDELIVERED = replace(evidence(1), transcripts=())
CANCELLED = replace(
    evidence(1),
    orders=(replace(evidence(1).orders[0], status="cancelled", sequence=2),),
    events=(evidence(1).events[0], replace(evidence(1).events[1], status="cancelled")),
    chain=(),
    transcripts=(Transcript(ID, "early", [Connection(0, 99.0, [Frame(1, "pending", 1, 99.0)])], stays=False),),
)


@pytest.mark.parametrize(
    ("poor", "sentence"),
    [
        (replace(result(1), evidence=NOTHING), "0 of 0 orders were accepted."),
        (replace(result(1), evidence=NOTHING, refused=("No 202.", "No 202.")), "0 of 2 orders were accepted. No 202."),
        (replace(result(1), refused=("No 202 within 240 s.",)), "1 of 2 orders were accepted. No 202 within 240 s."),
        (replace(result(1), evidence=CANCELLED), "No order was confirmed"),
        (replace(result(1), evidence=UNDELIVERED), "No follower was told anything"),
        (replace(result(1), counts={"kill -9": 0}), "No fault struck"),
    ],
)
def test_a_run_that_could_not_have_found_anything_does_not_hold(poor: Result, sentence: str) -> None:
    assert audit(poor.evidence) == ()
    assert not poor.holds
    text = shown(poor)
    assert f"The run proves too little: {sentence}" in text
    assert "Every promise held." not in text


@pytest.mark.parametrize(
    ("ended_as", "status"),
    [(result(1), 0), (result(2), 1), (replace(result(1), refused=("No 202.",)), 1)],
    ids=["all held", "a violation", "an order was not accepted"],
)
def test_the_exit_status_tells_whether_all_held(monkeypatch: pytest.MonkeyPatch, ended_as: Result, status: int) -> None:
    loads = []

    def pretend(_folder: object, settings: run.RunSettings, progress: object) -> Result:
        loads.append(settings)
        assert callable(progress)
        progress(run.Progress())
        return ended_as

    monkeypatch.setattr(run, "run", pretend)
    load = ("--orders", "40", "--seed", "7", "--minutes", "0.5", "--delay-scale", "0.2")
    ended = invoke(importlib.reload(chaos), *load)
    assert ended.exit_code == status, ended.output
    assert (loads[0].orders, loads[0].seed, loads[0].seconds, loads[0].delay_scale) == (40, 7, 30.0, 0.2)
    assert "seed 7" in ended.output


def test_the_same_seed_is_the_same_plan() -> None:
    assert plan(5, 300, 1.0) == plan(5, 300, 1.0)
    assert plan(5, 300, 1.0) != plan(6, 300, 1.0)
    # A longer run begins as a shorter one.
    assert plan(5, 600, 1.0)[: len(plan(5, 300, 1.0))] == plan(5, 300, 1.0)
    assert list(order_drafts(random.Random(1), 20, "a", 0.5)) == list(order_drafts(random.Random(1), 20, "a", 0.5))


def test_a_long_plan_has_every_fault() -> None:
    faults = plan(1, 3000, 1.0)
    assert {fault.kind for fault in faults} == set(WEIGHTS)
    assert {fault.name for fault in faults if fault.kind == "crash point"} == set(ALL_CRASH_POINTS)
    assert all(0 <= fault.at < 3000 for fault in faults)
    assert len({str(fault) for fault in faults}) > 20


def test_a_fifth_of_the_calls_of_each_service_fail() -> None:
    for service in ("sqs", "dynamodb"):
        passes = 1.0
        for rule in failing(0.2):
            if rule["service"] == service:
                passes *= 1 - float(str(rule["probability"]))
        assert passes == pytest.approx(0.8)
