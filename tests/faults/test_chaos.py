"""A short run of ./dev chaos, as a person would start it, with access tokens: without them it does less."""

import os
import subprocess
import sys

import pytest

from localstack.paths import ROOT


@pytest.mark.timeout(600)
def test_a_short_run_holds_every_promise() -> None:
    command = ["chaos", "--orders", "40", "--seed", "5", "--minutes", "0.2", "--interval", "0.8", "--auth", "jwt"]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "localstack", *command],
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=570,
    )
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-4000:]
    assert "Every promise held." in ended.stdout
    assert "40 (" in ended.stdout
