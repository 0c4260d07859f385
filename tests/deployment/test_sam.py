"""The standard tools take what this project builds: `sam validate --lint`, and `sam deploy` after `./dev build`."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from localstack.deployment import deploying, tools
from localstack.deployment.aws_clients import Clients
from localstack.local_stack import cloudformation, emulator
from localstack.local_stack.emulator import Emulator
from localstack.local_stack.emulator_gate import DOOR_HEADER
from localstack.local_stack.processes import Reaper
from localstack.packaging import lambda_package, sam_build, wheels
from localstack.packaging.source_zip import Artifact
from localstack.paths import ROOT
from tests.fakes.programs import ended

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
    return sam_build.write(
        ROOT / "template.yaml", lambda_package.build_all(here), here, tmp_path_factory.mktemp("aws-sam") / "build"
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with Reaper() as reaper:
        running = emulator.run(tmp_path_factory.mktemp("emulator") / "log", reaper)
        yield running
        running.stop()


@pytest.fixture(scope="module")
def clients(running: Emulator) -> Iterator[Clients]:
    clients = Clients(running.target())
    yield clients
    clients.close()


def run(sam: Path, *arguments: str, **environment: str) -> str:
    settings = {**tools.environment(), **environment}
    done = ended(*deploying.sam_command(sam), *arguments, env=settings, stdin=subprocess.DEVNULL, timeout=300)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_every_template_is_valid(sam: Path, built: Path) -> None:
    for path in (ROOT / "template.yaml", *sorted((ROOT / "infra").glob("*.yaml")), built):
        assert "is a valid SAM Template" in run(
            sam, "validate", "--lint", "--region", "us-east-1", "--template-file", str(path)
        )


def test_sam_deploys_what_dev_build_built(
    sam: Path, built: Path, running: Emulator, clients: Clients, database_url: str, here: wheels.Platform
) -> None:
    parameters = {
        "DatabaseUrl": database_url,
        "GatewayBaseUrl": f"{running.endpoint_url}/_aws/execute-api",
        "Monitoring": "false",
    }
    # As a person does, with the committed environment.
    run(
        sam,
        *("deploy", "--config-file", str(ROOT / "samconfig.toml"), "--config-env", "embedded"),
        *("--stack-name", "by-sam", "--s3-prefix", "by-sam", "--template-file", str(built), "--parameter-overrides"),
        *(f"file://{built.parent / 'parameters.yaml'}", *(f"{name}={value}" for name, value in parameters.items())),
        **clients.target.environment,
    )
    outputs = cloudformation.outputs(clients, "by-sam")
    health = urllib.request.Request(f"{outputs.rest_url}/health", headers={DOOR_HEADER: running.keys.door})
    with urllib.request.urlopen(health, timeout=60) as answer:
        assert answer.status == 200
    # What was built for stands beside the built template: nobody has to name it.
    function = clients.functions.get_function_configuration(FunctionName=outputs.function_names["Api"])
    assert function["Runtime"] == here.runtime


def test_the_built_template_is_the_template_but_for_its_paths(tmp_path: Path, here: wheels.Platform) -> None:
    zips = {folder: Artifact(b"a zip", "00e1") for folder in lambda_package.RECIPES}
    before = (ROOT / "template.yaml").read_text().splitlines()
    built = sam_build.write(ROOT / "template.yaml", zips, here, tmp_path / "build")
    after = built.read_text().splitlines()
    changed = {new.strip() for old, new in zip(before, after, strict=True) if old != new}
    assert changed - {f'Default: "{here.runtime}"', f'Default: "{here.architecture}"'} == {
        *("CodeUri: functions.zip", "CodeUri: migrations.zip"),
        *('Default: "00e1"', 'AllowedPattern: "^00e1$"'),
    }
    expected = {"PythonRuntime": here.runtime, "Architecture": here.architecture, "MigrationsDigest": "00e1"}
    assert yaml.safe_load((built.parent / "parameters.yaml").read_text()) == expected
    nested = set(re.findall(r"TemplateURL: (\S+)", built.read_text()))
    assert nested
    assert all((built.parent / path).read_text().startswith("AWSTemplateFormatVersion") for path in nested)


# What AWS answers to describe_change_set, by the change set asked for: an update of the database's stack replaces it.
NESTED = """
import importlib.util, json, sys
specification = importlib.util.spec_from_file_location("sam_cli", sys.argv[1])
sam_cli = importlib.util.module_from_spec(specification)
specification.loader.exec_module(sam_cli)

def change(name, kind, replacement, **more):
    return {"ResourceChange": {"Action": "Modify", "LogicalResourceId": name, "ResourceType": kind,
                               "Replacement": replacement, **more}}

CHANGES = {
    "root": [change("Api", "AWS::Lambda::Function", "False"),
             change("Database", "AWS::CloudFormation::Stack", "False", ChangeSetId="nested")],
    "nested": [change("Instance", "AWS::RDS::DBInstance", "True")],
}

class Client:
    def __init__(self):
        self.created = []
        self.refused = json.loads(sys.argv[2])
    def describe_stacks(self, StackName):
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE"}]}
    def get_template_summary(self, StackName):
        return {"Parameters": []}
    def create_change_set(self, **settings):
        self.created.append(settings.get("IncludeNestedStacks", False))
        return {"Id": "root"}
    def describe_change_set(self, ChangeSetName):
        return {"StackId": "stack of " + ChangeSetName}
    def get_paginator(self, name):
        return self
    def paginate(self, ChangeSetName, StackName):
        changes = CHANGES[ChangeSetName]
        return [{"Changes": changes if self.created[-1] else changes[:1]}]
    def get_waiter(self, name):
        return self
    def wait(self, **_):
        if self.refused and self.created[-1]:
            from botocore.exceptions import WaiterError
            raise WaiterError("x", "failed", {"Status": "FAILED", "StatusReason": "Nested change set was not created"})

client = Client()
deployer = sam_cli.deploy_context.Deployer(client)
deployer.create_and_wait_for_changeset("mine", "{}", [], None, None, None, None, [])
print(json.dumps(client.created))
"""


@pytest.mark.parametrize("refused", [False, True])
def test_a_replacement_inside_of_a_nested_stack_is_shown_before_the_question(
    sam: Path, tmp_path: Path, refused: bool
) -> None:
    """No emulator makes nested change sets: SAM CLI is asked with answers as AWS documents them."""
    program = tmp_path / "nested.py"
    program.write_text(NESTED)
    *python, ours = deploying.sam_command(sam)
    done = ended(*python, program, ours, json.dumps(refused), env=tools.environment(), timeout=120)
    said = done.stdout
    assert done.returncode == 0, done.stderr
    shown = [line.split() for line in said.splitlines() if line.startswith("* Modify")]
    rows = [[row[2], row[-1]] for row in shown]
    if refused:
        assert "Nested change set was not created" in said
        assert rows == [["Api", "False"]]
        assert said.splitlines()[-1] == "[true, false]"
    else:
        assert "Inside of the nested stack Database:" in said
        assert rows == [["Api", "False"], ["Database", "False"], ["Instance", "True"]]
        assert said.splitlines()[-1] == "[true]"
