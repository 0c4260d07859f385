"""The bench's page of plots, drawn by matplotlib in the environment that it gets."""

import re
from pathlib import Path

import pytest

from localstack.bench import plots
from localstack.bench.results import Results, Run, Value
from localstack.errors import UserError

SOME = Run(
    row="unwatched",
    title="orders",
    server="own",
    history=0,
    values=(Value("throughput", "orders/s", "≥", 150.0, 90.0), Value("POST p99", "ms", "≤", None, None)),
    samples={"POST": [1.0, 2.0, 30.0], "commit → frame": [], "order to end": [5.0, 6.0, 7.0]},
    moments={"posted": [0.1, 0.2, 1.1], "ended": [0.2, 0.3, 1.2] * 20},
    stages={"pending": 1.0, "routing": 2.0},
    processor={"api": 1.0, "emulator": 2.0},
)
BILL = Run("cost", "bill", "own", 0, (), items={"nobody follows": {"REST API": 3.5}})


def results(*runs: Run) -> Results:
    return Results("2026-01-01T00:00:00+00:00", "abc", {"processor": "2 × <x>"}, 15, 1, runs)


@pytest.mark.timeout(400)
def test_the_page_holds_all_that_it_shows(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    plots.write(results(SOME, BILL), page, lambda _: None)
    text = page.read_text()
    # Throughput, two latencies that have samples, stages, processor time, cost.
    assert text.count("<svg") == 6
    assert "missed" in text
    assert "2 × &lt;x&gt;" in text
    assert "<script" not in text
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)|url\((?!#)""", text)
    assert len(text) < 300_000

    plots.write(results(), page, lambda _: None)
    assert "<svg" not in page.read_text()

    with pytest.raises(UserError, match="could not be drawn"):
        plots.write(results(SOME), tmp_path / "no such folder" / "page.html", lambda _: None)
