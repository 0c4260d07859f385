"""`./dev bench` as a person calls it, at another server."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from localstack.bench.results import Results
from localstack.commands.bench import group
from localstack.errors import UserError
from localstack.paths import ROOT
from tests.unit.bench.conftest import Service

LIMIT_SECONDS = 60


async def bench(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "localstack", "bench", *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT_SECONDS):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_rows_at_another_server_are_measured_kept_and_compared(service: Service, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    chosen = ("--no-own", "--url", service.url, "--rows", "burst,frame-10", "--scale", "0.1")
    status, out, err = await bench(*chosen, "--json", str(kept))
    assert (status, err) == (0, "")
    results = Results.read(kept)
    assert [(run.row, run.server) for run in results.runs] == [("burst", service.url), ("frame-10", service.url)]
    assert len(results.runs[0].samples["POST"]) == 20
    assert json.loads(kept.read_text())["commit"] == results.commit
    for shown in ("all ended", "commit → frame p50", results.commit, f"burst ({service.url})"):
        assert shown in out
    status, out, _ = await bench(*chosen, "--compare", str(kept))
    assert status == 0
    assert "now / before" in out
    assert "× " in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rows", "none"], "There is no row 'none': choose of burst"),
        (["--no-own"], "--no-own needs a --url"),
        (["--history", "many"], "--history takes numbers"),
        (["--compare", "/nowhere/x.json"], "There is no file /nowhere/x.json"),
        (["--json", "/nowhere/x.json"], "there is no folder /nowhere"),
        (["--orders", "1", "--url", "http://a", "--url", "http://b"], "One load goes to one --url"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_started(arguments: list[str], said: str) -> None:
    ended = CliRunner().invoke(group, arguments)
    assert isinstance(ended.exception, UserError)
    assert (ended.output, said in str(ended.exception)) == ("", True)
