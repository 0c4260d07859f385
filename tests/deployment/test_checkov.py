"""What checkov finds in the templates is fixed or waived with a reason, and every waiver waives something."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from localstack.deployment import tools
from localstack.paths import ROOT
from tests.fakes.programs import ended
from tests.unit.infra.sam import source

# The first run installs checkov, once.
pytestmark = [pytest.mark.timeout(1500), pytest.mark.xdist_group("checkov")]

FILES = ["template.yaml", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "infra").glob("*.yaml"))]
Waiver = tuple[str, str, str]


@pytest.fixture(scope="module")
def checkov() -> Path:
    return tools.ensure("checkov", print)


def run(checkov: Path, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = (*tools.command(checkov), *arguments, "--framework", "cloudformation", "--skip-download")
    return ended(*command, cwd=folder, env=tools.environment(), timeout=300)


def waivers(file: str) -> set[Waiver]:
    written = set()
    for logical, resource in source(file)["Resources"].items():
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            assert len(skip["comment"]) > 10, (file, logical)
            written.add((file, logical, skip["id"]))
    return written


def test_the_configuration_names_every_template() -> None:
    assert sorted(yaml.safe_load((ROOT / ".checkov.yaml").read_text())["file"]) == sorted(FILES)


def test_nothing_is_found_and_every_waiver_waives_something(checkov: Path, tmp_path: Path) -> None:
    # From another folder: the configuration would leave the waived findings out.
    files = [argument for file in FILES for argument in ("-f", str(ROOT / file))]
    done = run(checkov, tmp_path, *files, "-o", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    results: dict[str, Any] = json.loads(done.stdout)["results"]
    assert results["failed_checks"] == []
    assert len(results["passed_checks"]) > 100
    used = {
        (next(file for file in reversed(FILES) if found["file_path"].endswith(file)), resource, found["check_id"])
        for found in results["skipped_checks"]
        for resource in [found["resource"].rpartition(".")[2]]
    }
    assert used == set().union(*map(waivers, FILES))


def test_a_finding_fails_the_command(checkov: Path, tmp_path: Path) -> None:
    text = (ROOT / "infra" / "database.yaml").read_text()
    assert "StorageEncrypted: true" in text
    (tmp_path / "database.yaml").write_text(text.replace("StorageEncrypted: true", "StorageEncrypted: false"))
    done = run(checkov, tmp_path, "-f", "database.yaml")
    assert done.returncode == 1
    assert "CKV_AWS_16" in done.stdout
