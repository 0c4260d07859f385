"""The crash hook works where a test asks for it, and never on AWS."""

import sys
from pathlib import Path

import pytest

from chalicelib.adapters.crash_point import CrashFolder, NoCrash, crash_point_from
from localstack.paths import ROOT
from tests.fakes.programs import ended

DIES = """
import os, sys
from pathlib import Path
import app
from chalicelib import bootstrap
(Path(os.environ["CRASH_DIRECTORY"]) / "here").touch()
bootstrap.crash_point()("elsewhere")
print("alive", flush=True)
bootstrap.crash_point()("here")
print("still alive", flush=True)
"""


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, NoCrash),
        ({"CRASH_DIRECTORY": ""}, NoCrash),
        ({"CRASH_DIRECTORY": "/x"}, CrashFolder),
        # What Chalice makes of it outside of Lambda, and inside.
        ({"CRASH_DIRECTORY": "/x", "AWS_EXECUTION_ENV": "AWS_Lambda aws-chalice/1.34.0"}, CrashFolder),
        ({"CRASH_DIRECTORY": "/x", "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}, NoCrash),
        ({"CRASH_DIRECTORY": "/x", "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13 aws-chalice/1.34.0"}, NoCrash),
    ],
)
def test_only_a_test_turns_it_on(environment: dict[str, str], kind: type) -> None:
    assert isinstance(crash_point_from(environment), kind)


def test_an_armed_point_kills_the_process_of_a_function_once(tmp_path: Path) -> None:
    environment = {"CRASH_DIRECTORY": str(tmp_path), "AWS_DEFAULT_REGION": "us-east-1"}
    died = ended(sys.executable, "-c", DIES, cwd=ROOT / "functions", env=environment)
    assert (died.returncode, died.stdout) == (-9, "alive\n")
    assert list(tmp_path.iterdir()) == []
