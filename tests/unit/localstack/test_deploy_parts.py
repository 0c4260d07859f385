"""What `./dev deploy` decides and says, without a target: addresses, parameters, buckets, changes, failures."""

import io
import json
import re
import shlex
import tomllib
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast, get_args

import pytest
from rich.console import Console

from localstack.commands import deploy as commands
from localstack.deployment import deploying, stacks, targets
from localstack.deployment.aws_clients import Clients
from localstack.deployment.aws_target import Target
from localstack.deployment.deploying import DeploymentPlan
from localstack.deployment.stacks import StackState
from localstack.deployment.targets import DeployTarget
from localstack.errors import UserError
from localstack.packaging import template, wheels
from localstack.paths import ROOT
from tests.unit.localstack.test_running import RUNNING

DECLARED = template.parameters(ROOT / "template.yaml")
UP = replace(RUNNING, emulator_url="http://127.0.0.1:4567", database_url="postgresql://u:secret@127.0.0.1:5/x")
AWS = DeployTarget("aws", Target("AWS", region="eu-west-1"), "123456789012")


def shown(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(renderable)
    return cast("io.StringIO", console.file).getvalue()


# ---------------------------------------------------------------- the addresses of the three targets


@pytest.mark.parametrize(
    ("set_to", "expected"),
    [
        ("", "localhost.localstack.cloud:4566"),
        ("localstack.internal", "localstack.internal:4566"),
        ("localhost:4577", "localhost:4577"),
    ],
)
def test_localstack_is_addressed_by_the_name_it_gives_itself(
    monkeypatch: pytest.MonkeyPatch, set_to: str, expected: str
) -> None:
    monkeypatch.setenv("LOCALSTACK_HOST", set_to)
    assert targets.localstack_host() == expected
    parameters = targets.localstack_parameters(expected)
    assert set(parameters) <= set(DECLARED)
    assert parameters["GatewayBaseUrl"] == f"http://{expected}/_aws/execute-api"
    assert parameters["WebSocketRouteResponse"] == "true"
    assert "PublicUrl" not in parameters


@pytest.mark.parametrize("wrong", ["http://localhost:4566", "localhost:http", ":4566", "localhost/x"])
def test_a_localstack_host_that_is_none(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("LOCALSTACK_HOST", wrong)
    with pytest.raises(UserError, match="it takes HOST or HOST:PORT"):
        targets.localstack_host()


@pytest.mark.parametrize(
    ("machine", "architecture"), [("aarch64", "arm64"), ("arm64", "arm64"), ("x86_64", "x86_64"), ("AMD64", "x86_64")]
)
def test_localstacks_containers_have_this_machines_processor(
    monkeypatch: pytest.MonkeyPatch, machine: str, architecture: str
) -> None:
    monkeypatch.setattr("localstack.deployment.targets.platform.machine", lambda: machine)
    assert targets.localstack_parameters("localhost:4566")["Architecture"] == architecture


def test_beside_dev_up_the_front_door_is_the_public_address() -> None:
    own = targets.embedded(UP, "order-engine")
    assert own.parameters == {
        "DatabaseUrl": UP.database_url,
        "GatewayBaseUrl": "http://127.0.0.1:4567/_aws/execute-api",
        "PublicUrl": "http://localhost:3000",
    }
    assert own.target.endpoint_url == "http://127.0.0.1:4567"
    # The front door leads to one stack only.
    assert "PublicUrl" not in targets.embedded(UP, "another").parameters


# ---------------------------------------------------------------- targets that do not answer


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> pytest.MonkeyPatch:
    """No AWS settings of any kind."""
    home = tmp_path_factory.mktemp("home")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


@pytest.mark.parametrize(
    ("environment", "region", "sentence"),
    [
        ({}, "", "name one with --region"),
        ({"AWS_REGION": "eu-north-9"}, "", "There is no AWS region 'eu-north-9'"),
        ({}, "us-east-1", "There are no AWS credentials: run `aws configure`"),
        ({"AWS_PROFILE": "nonesuch"}, "us-east-1", r"nonesuch.*set AWS_PROFILE"),
        ({**KEYS, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "us-east-1", r"AWS can't be reached in us-east-1"),
    ],
)
def test_what_aws_lacks_is_said(
    nobody: pytest.MonkeyPatch, environment: dict[str, str], region: str, sentence: str
) -> None:
    for name, value in environment.items():
        nobody.setenv(name, value)
    with pytest.raises(UserError, match=sentence):
        targets.aws(region)


@pytest.mark.parametrize(("token", "told"), [("", True), ("ls-token", False)])
def test_localstack_out_of_reach(monkeypatch: pytest.MonkeyPatch, token: str, told: bool) -> None:
    monkeypatch.setenv("LOCALSTACK_HOST", "127.0.0.1:1")
    monkeypatch.setenv("LOCALSTACK_AUTH_TOKEN", token)
    with pytest.raises(UserError, match=r"docker compose -f localstack/docker-compose\.yml up --wait") as raised:
        targets.localstack("")
    assert ("export LOCALSTACK_AUTH_TOKEN" in str(raised.value)) == told


def test_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
    with pytest.raises(UserError, match="or add --yes"):
        commands._must_ask(yes=False)
    assert not commands._must_ask(yes=True)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    assert commands._must_ask(yes=False)


# ---------------------------------------------------------------- what is built and sent


def test_the_platform_is_as_given_else_as_deployed_else_the_templates() -> None:
    default = deploying.chosen_platform(AWS, {}, {}, DECLARED)
    assert (default.runtime, default.architecture) == ("python3.13", "arm64")
    deployed = {"PythonRuntime": "python3.12", "Architecture": "x86_64"}
    assert deploying.chosen_platform(AWS, {}, deployed, DECLARED).name == "python3.12-x86_64"
    given = {"PythonRuntime": "python3.14"}
    assert deploying.chosen_platform(AWS, given, deployed, DECLARED).name == "python3.14-x86_64"


def test_the_embedded_platform_is_this_machine() -> None:
    where = targets.embedded(UP, "order-engine")
    assert deploying.chosen_platform(where, {}, {"Architecture": "arm64"}, DECLARED) == wheels.this_platform()
    with pytest.raises(UserError, match=r"PythonRuntime is python3\."):
        deploying.chosen_platform(where, {"PythonRuntime": "python3.10"}, {}, DECLARED)


def test_a_plan_shows_no_secret() -> None:
    plan = DeploymentPlan(
        AWS, "mine", {"DatabaseUrl": "postgresql://u:secret@h/d", "CursorSecret": "", "LogLevel": "INFO"}
    )
    text = shown(plan.table(DECLARED))
    assert "secret@h" not in text
    assert "(secret)" in text
    assert "123456789012 in eu-west-1 on AWS" in text


def test_a_values_own_equals_sign_is_part_of_it() -> None:
    pairs = ["SimulatedFaults=quote_error=0.1,dropped=0.05", "AlarmEmail="]
    assert deploying.parse_parameters(pairs, DECLARED) == {
        "SimulatedFaults": "quote_error=0.1,dropped=0.05",
        "AlarmEmail": "",
    }


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("Architecture", "--parameter takes NAME=VALUE, not 'Architecture'"),
        ("LogLvel=INFO", r"no parameter 'LogLvel': did you mean LogLevel\?"),
    ],
)
def test_what_is_no_parameter(pair: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        deploying.parse_parameters([pair], DECLARED)


def test_the_curl_line_survives_a_shell() -> None:
    words = shlex.split(deploying.order_line("https://x.execute-api.eu-west-1.amazonaws.com/live", AWS))
    assert words[:3] == ["curl", "-s", "https://x.execute-api.eu-west-1.amazonaws.com/live/api/orders/execute"]
    assert words[-1].startswith('{"userId":')


def test_a_protected_database_stops_everything_first() -> None:
    protected = StackState("CREATE_COMPLETE", {"DatabaseDeletionProtection": "true"}, has_database=True)
    with pytest.raises(UserError, match=r"DatabaseDeletionProtection=false.*Nothing was deleted"):
        deploying.refuse_protected("mine", protected)
    # Nor is it a reason in a stack that has none, or that can't be deployed to.
    deploying.refuse_protected("mine", replace(protected, has_database=False))
    for status in ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
        deploying.refuse_protected("mine", replace(protected, status=status))


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("DELETE_FAILED", "finish deleting it with ./dev destroy"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name mine"),
        ("UPDATE_IN_PROGRESS", "wait until that ends"),
        ("DELETE_IN_PROGRESS", "wait until that ends"),
        *((each, "") for each in (stacks.ABSENT, "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "UPDATE_COMPLETE")),
    ],
)
def test_a_stack_that_cannot_be_deployed_to_is_told_what_to_do(status: str, remedy: str) -> None:
    with pytest.raises(UserError, match=remedy) if remedy else nullcontext():
        StackState(status).refuse_stuck("mine")


LOCALSTACK = DeployTarget(
    "localstack", Target("LocalStack"), "000000000000", targets.localstack_parameters("localhost:4566")
)


def test_the_first_deployment_gets_the_targets_addresses_and_a_later_one_keeps_what_is_deployed() -> None:
    given = {"LogLevel": "DEBUG"}
    first = deploying.chosen_parameters(LOCALSTACK, given, StackState(), DECLARED)
    assert first == {**LOCALSTACK.parameters, **given}
    assert deploying.chosen_parameters(LOCALSTACK, given, StackState("REVIEW_IN_PROGRESS"), DECLARED) == first
    assert deploying.chosen_parameters(LOCALSTACK, given, StackState("CREATE_COMPLETE", first), DECLARED) == given


def test_a_retry_of_a_failed_first_deployment_loses_no_parameter() -> None:
    """Without its DatabaseUrl, which can't be read back, it would create a VPC and RDS."""
    before = {"DatabaseUrl": "****", "CursorSecret": "****", "LogLevel": "ERROR", "SimulatedDelayScale": "0.1"}
    now = StackState("ROLLBACK_COMPLETE", before)
    again = deploying.chosen_parameters(LOCALSTACK, {"LogLevel": "DEBUG"}, now, DECLARED)
    assert again["DatabaseUrl"] == targets.LOCALSTACK_DATABASE
    assert (again["LogLevel"], again["SimulatedDelayScale"]) == ("DEBUG", "0.1")
    assert "CursorSecret" not in again


def test_a_database_that_is_known_to_nobody_is_asked_for_again() -> None:
    now = StackState("ROLLBACK_COMPLETE", {"DatabaseUrl": "****"})
    with pytest.raises(UserError, match="--parameter DatabaseUrl=…"):
        deploying.chosen_parameters(AWS, {}, now, DECLARED)
    assert deploying.chosen_parameters(AWS, {"DatabaseUrl": ""}, now, DECLARED) == {"DatabaseUrl": ""}
    # It got as far as to make one of its own: so it was given none.
    own = StackState("ROLLBACK_FAILED", {"DatabaseUrl": "****"}, has_database=True)
    assert "DatabaseUrl" not in deploying.chosen_parameters(AWS, {}, own, DECLARED)


@pytest.mark.parametrize(
    ("health", "lacks"),
    [
        ({"edition": "pro", "services": {"apigatewayv2": "available"}}, ""),
        ({"edition": "community", "services": {"sqs": "running"}}, "no WebSocket APIs, .* and no custom resources"),
        ({"edition": "pro", "services": {"sqs": "running"}}, r"\(pro\) has no WebSocket APIs, so that nobody"),
        ({"services": {}}, ""),
        ([], ""),
    ],
)
def test_what_an_edition_of_localstack_lacks_is_one_line(health: object, lacks: str) -> None:
    said = targets.missing_support(json.dumps(health).encode())
    assert re.search(lacks, said) if lacks else not said
    assert "\n" not in said
    assert targets.missing_support(b"<html>") == ""


def test_samconfig_names_the_same_addresses_as_the_command() -> None:
    environments = tomllib.loads((ROOT / "samconfig.toml").read_text())
    assert set(environments) == {"version", *get_args(targets.Kind)}
    file, *pairs = environments["localstack"]["deploy"]["parameters"]["parameter_overrides"]
    assert file == "file://.aws-sam/build/parameters.yaml"
    expected = targets.localstack_parameters("localhost.localstack.cloud:4566")
    del expected["Architecture"]  # parameters.yaml says what was built for
    assert dict(pair.split("=", 1) for pair in pairs) == expected


# ---------------------------------------------------------------- failures
NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)
ROOT_ID, CHILD_ID = "arn:aws:cloudformation:x:1:stack/root/1", "arn:aws:cloudformation:x:1:stack/root-Database/2"


def event(stack: str, name: str, status: str, seconds: int, reason: str = "", **more: str) -> dict[str, object]:
    return {
        "StackId": stack,
        "EventId": f"{stack}-{name}-{status}-{seconds}",
        "LogicalResourceId": name,
        "PhysicalResourceId": "",
        "ResourceType": "AWS::RDS::DBInstance",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "Timestamp": NOW + timedelta(seconds=seconds),
        **more,
    }


def test_a_failure_in_a_nested_stack_is_told_with_its_reason() -> None:
    nested = {"ResourceType": "AWS::CloudFormation::Stack", "PhysicalResourceId": CHILD_ID}
    events = {
        "root": [
            event(ROOT_ID, "OrdersQueue", "CREATE_FAILED", 9, "Resource creation cancelled"),
            event(ROOT_ID, "Database", "CREATE_FAILED", 8, "Embedded stack was not created", **nested),
            event(ROOT_ID, "Database", "CREATE_IN_PROGRESS", 2, **nested),
            event(ROOT_ID, "Old", "CREATE_FAILED", -60, "yesterday's"),
        ],
        CHILD_ID: [
            event(CHILD_ID, "root-Database", "CREATE_FAILED", 7, "The following resources failed", **nested),
            event(CHILD_ID, "Instance", "CREATE_FAILED", 6, "No more instances of db.t4g.micro"),
        ],
    }

    def paginate(*, StackName: str) -> list[object]:  # noqa: N803
        return [{"StackEvents": events[StackName][:2]}, {"StackEvents": events[StackName][2:]}]

    clients = Clients(Target("AWS"))
    vars(clients)["cloudformation"] = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=paginate))
    lines = stacks.failures(clients, "root", NOW.timestamp()).splitlines()
    assert lines[0] == "  Database/Instance (AWS::RDS::DBInstance): No more instances of db.t4g.micro"
    assert lines[1:] == ["  Database (AWS::CloudFormation::Stack): Embedded stack was not created"]
