"""The standard tools take what this project builds: `sam validate --lint`, and `sam deploy` after `./dev build`."""

import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from localstack import artifact, emulator, sam_build, stack, tools, wheels
from localstack.packaging import Artifact
from localstack.paths import ROOT
from localstack.processes import Guard
from localstack.target import Clients, Target

# The first run installs sam; in one process, for what is built once is used by all.
pytestmark = [pytest.mark.timeout(1500), pytest.mark.xdist_group("artifact")]


@pytest.fixture(scope="module")
def sam() -> Path:
    return tools.ensure("sam", print)


@pytest.fixture(scope="module")
def here() -> wheels.Platform:
    return wheels.this_platform()


@pytest.fixture(scope="module")
def built(here: wheels.Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `./dev build` leaves in .aws-sam/build, elsewhere."""
    zips = {
        f"{folder.relative_to(ROOT).as_posix()}/": artifact.build(folder, here, bytecode=True)
        for folder in artifact.RECIPES
    }
    return sam_build.write(ROOT / "template.yaml", zips, here, tmp_path_factory.mktemp("aws-sam") / "build")


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    with Guard() as guard:
        running = emulator.run(tmp_path_factory.mktemp("emulator") / "log", guard)
        clients = Clients(Target("the emulator", endpoint_url=running.endpoint_url))
        clients.s3.create_bucket(Bucket="of-sam")
        yield clients
        clients.close()
        running.stop()


def run(sam: Path, *arguments: str, **environment: str) -> str:
    ended = subprocess.run(
        [str(sam), *arguments],
        env={**tools.environment(), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    return ended.stdout


def test_every_template_is_valid(sam: Path, built: Path) -> None:
    for path in (ROOT / "template.yaml", *sorted((ROOT / "infra").glob("*.yaml")), built):
        assert "is a valid SAM Template" in run(
            sam, "validate", "--lint", "--region", "us-east-1", "--template-file", str(path)
        )


def test_sam_deploys_what_dev_build_built(
    sam: Path, built: Path, clients: Clients, database_url: str, here: wheels.Platform
) -> None:
    endpoint = clients.target.endpoint_url
    assert endpoint is not None
    parameters = {
        "DatabaseUrl": database_url,
        "GatewayBaseUrl": f"{endpoint}/_aws/execute-api",
        "Monitoring": "false",
    }
    run(
        sam,
        *("deploy", "--stack-name", "by-sam", "--s3-bucket", "of-sam", "--no-confirm-changeset"),
        *("--region", "us-east-1", "--template-file", str(built)),
        *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
        *("--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())),
        AWS_ENDPOINT_URL=endpoint,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
    )
    outputs = stack.outputs(clients, "by-sam")
    with urllib.request.urlopen(f"{outputs.rest_url}/health", timeout=60) as answer:
        assert answer.status == 200
    # The platform that was built for is the default in the built template: nobody has to name it.
    function = clients.functions.get_function_configuration(FunctionName=outputs.function_names["Api"])
    assert function["Runtime"] == here.runtime


def test_the_built_template_is_the_template_but_for_its_paths(tmp_path: Path, here: wheels.Platform) -> None:
    zips = {f"{folder.relative_to(ROOT).as_posix()}/": Artifact(b"a zip", "a digest") for folder in artifact.RECIPES}
    before = (ROOT / "template.yaml").read_text().splitlines()
    built = sam_build.write(ROOT / "template.yaml", zips, here, tmp_path / "build")
    after = built.read_text().splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert all(re.match(r"^ +(CodeUri: \w+\.zip|Default: (python3\.1\d|arm64|x86_64))$", line) for line in changed)
    assert sum("CodeUri" in line for line in changed) == 2
    assert f"    Default: {here.architecture}" in after
    nested = set(re.findall(r"TemplateURL: (\S+)", built.read_text()))
    assert nested
    assert all((built.parent / path).read_text().startswith("AWSTemplateFormatVersion") for path in nested)
