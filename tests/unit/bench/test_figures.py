"""What the bench computes of samples, and how it keeps and compares it."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from localstack.bench import processor_time, rows
from localstack.bench.load import Samples, Workload
from localstack.bench.measuring import Server, to_run
from localstack.bench.percentiles import percentile
from localstack.bench.processor_time import Reading, kind_of, spent
from localstack.bench.profile import functions_of
from localstack.bench.results import Results, Run, Value, value_of
from localstack.bench.rows import Measurement
from localstack.bench.tables import processor_table, table
from localstack.errors import UserError


@pytest.mark.parametrize(("rank", "expected"), [(0, 1), (50, 50), (99, 99), (99.1, 100), (100, 100)])
def test_a_percentile_is_a_sample_that_was_taken(rank: float, expected: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], rank) == expected
    assert percentile([7.0], rank) == 7


@pytest.mark.parametrize(("orders", "followed"), [(200, 10), (10, 10), (3, 2), (7, 0), (2000, 2000)])
def test_the_followed_are_spread_over_all(orders: int, followed: int) -> None:
    chosen = [number for number in range(orders) if Workload(orders, followed=followed).is_followed(number)]
    assert len(chosen) == followed
    gaps = [after - before for before, after in itertools.pairwise(chosen)]
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_smaller_load_keeps_its_kind() -> None:
    assert Workload(2000, followed=2000).scaled(0.01) == Workload(20, followed=20)
    assert Workload(200, followed=10).scaled(0.001) == Workload(1, followed=1)
    assert Workload(5, 1, 5, one_by_one=True).scaled(1).one_by_one
    assert Workload(600, rate=20).scaled(0.5) == Workload(300, rate=20)


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("python /tmp/e-x/ministack-lambda-order-engine-ExecuteOrdersFunction-AB18-x/_worker.py", "execute_orders"),
        ("python /tmp/e-x/ministack-lambda-order-engine-ApiFunction-76-_x/_worker.py", "api"),
        ("python -P /clone/localstack/local_stack/ministack_process.py", processor_time.EMULATOR),
        ("postgres: order_engine postgres 127.0.0.1(45612) idle", processor_time.POSTGRES),
        ("/x/pginstall/bin/postgres -D /proc/self/cwd", processor_time.POSTGRES),
        ("python -P -m localstack.bench.own_stack /tmp/x A=1", processor_time.FRONT_DOOR),
        ("python -P -m localstack up", processor_time.FRONT_DOOR),
        ("python -I -S /clone/localstack/local_stack/reaper.py", processor_time.OTHER),
    ],
)
def test_a_process_is_known_by_its_command(command: str, kind: str) -> None:
    assert kind_of(command.split()) == kind


def test_processor_time_is_what_was_spent_between_by_whoever_lives() -> None:
    before = Reading({(1, 0.0): 5.0, (2, 0.0): 1.0}, {(1, 0.0): "emulator", (2, 0.0): "api"})
    after = Reading(
        # The second has ended and its number was given to another one.
        {(1, 0.0): 6.5, (2, 9.0): 0.25, (3, 9.0): 0.25},
        {(1, 0.0): "emulator", (2, 9.0): "api", (3, 9.0): "api"},
    )
    assert spent(before, after) == {"emulator": 1.5, "api": 0.5}


def test_samples_count_a_function_once_and_the_innermost_process() -> None:
    worker = "python /t/ministack-lambda-s-ExecuteOrdersFunction-1-x/_worker.py"
    raw = [
        f'process 1:"python -P -m localstack up";process 2:"{worker}";main (a.py:1);f (b.py:2);f (b.py:9) 3',
        f'process 1:"python -P -m localstack up";process 2:"{worker}";main (a.py:1) 1',
        'process 1:"python -P -m localstack up";run (c.py:5) 2',
        "no stack at all",
    ]
    samples, inside, itself = functions_of(raw)
    assert samples == {"execute_orders": 4, "front door": 2}
    assert inside["execute_orders"] == {"main (a.py)": 4, "f (b.py)": 3}
    assert itself["execute_orders"] == {"main (a.py)": 1, "f (b.py)": 3}


UNWATCHED = next(row for row in rows.ROWS if row.name == "unwatched")
SAMPLES = Samples(
    posts=[0.010, 0.020], orders=[0.1, 0.2], posted_at=[0.1, 0.2], ended_at=[0.3, 0.4], over=2.0, ends={"confirmed": 2}
)


def a_run(**changes: object) -> Run:
    measured = Measurement(2, SAMPLES, {"api": 2.0, "emulator": 6.0}, 2048.0)
    return replace(to_run(UNWATCHED, Server("own", "http://x"), measured), **changes)  # type: ignore[arg-type]


def results(*runs: Run) -> Results:
    return Results("2026-01-01T00:00:00+00:00", "abc", {"processor": "2 × x"}, 15, 1, runs)


def test_a_row_shows_what_was_measured_and_whether_that_is_enough() -> None:
    run = a_run()
    assert value_of(run, "throughput") == 1.0
    assert value_of(run, "POST p99") == 20.0
    assert value_of(run, "processor time an order") == 8.0
    assert value_of(run, "log an order") == 2.0
    reached = {value.name: value.reached for value in run.values}
    assert reached["throughput"] is False
    assert reached["processor time an order"] is True
    assert reached["of it push_status"] is True  # it ran not at all
    assert reached["POST p99"] is None


def test_a_server_whose_processes_nobody_sees_has_no_processor_time() -> None:
    run = to_run(UNWATCHED, Server("http://x", "http://x"), Measurement(2, SAMPLES))
    assert value_of(run, "of it api") is None
    assert all(value.reached is None for value in run.values if value.unit in ("ms", "KiB"))
    assert processor_table([run]) is None


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = results(a_run(), a_run(history=1000))
    written.write(tmp_path / "r.json")
    assert Results.read(tmp_path / "r.json") == replace(
        written, runs=tuple(replace(run, samples=dict(run.samples)) for run in written.runs)
    )


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 1}', '{"format": 2, "runs": []}', '{"format": 1, "runs": [1]}']
)
def test_what_is_no_result_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(UserError, match=r"r\.json"):
        Results.read(tmp_path / "r.json")
    with pytest.raises(UserError, match="no file"):
        Results.read(tmp_path / "none.json")


def test_each_figure_is_compared_with_that_of_the_same_row_server_and_history() -> None:
    old = results(a_run(values=(Value("throughput", "orders/s", "≥", 150, 0.5),)), a_run(history=9, values=()))
    assert value_of(old.before(a_run()), "throughput") == 0.5
    assert old.before(a_run(server="http://other")) is None
    shown = table([a_run()], old)
    assert str(next(iter(shown.columns[6].cells))) == "× 2.00"
    assert [str(cell) for cell in shown.columns[5].cells][1] == ""
