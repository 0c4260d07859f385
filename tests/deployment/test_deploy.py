"""`./dev deploy` and `./dev destroy` with the real artifact, on an emulator that enforces IAM."""

import asyncio
import base64
import functools
import hashlib
import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from localstack import artifact, bucket, follow, running, template, wheels
from localstack.commands import deploy as commands
from localstack.errors import LocalStackError
from localstack.packaging import Artifact
from localstack.paths import ROOT
from localstack.stack_for_tests import Stack, boot
from localstack.target import Clients, Target

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("deploy")]
SECOND = "second"
BODY: follow.Body = {
    "userId": "somebody",
    "walletAddress": "wallet_of_somebody",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": "1.5",
    "side": "sell",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """What `./dev up` runs: the sources, with libraries from the environment."""
    with boot(tmp_path_factory.mktemp("up"), parameters={"SimulatedDelayScale": "0.05"}) as booted:
        yield booted


@pytest.fixture(scope="module", autouse=True)
def built_once() -> Iterator[None]:
    """Every deployment here takes the same artifact, which takes seconds to build; test_artifact.py builds it twice."""
    build = artifact.build

    @functools.cache
    def once(folder: Path, target: wheels.Platform, bytecode: bool) -> Artifact:
        return build(folder, target, bytecode=bytecode)

    def rebuilt(folder: Path, target: wheels.Platform, report: object = None, *, bytecode: bool = False) -> Artifact:
        return once(folder, target, bytecode)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifact, "build", rebuilt)
        yield


@pytest.fixture
def up(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> running.Running:
    """That stack as the one which runs in this clone."""
    found = running.Running(1, stack.base_url, stack.emulator_url, stack.database_url, stack.outputs.stack_name)
    monkeypatch.setattr(running, "find", lambda: found)
    return found


def run(*arguments: str) -> Result:
    """The command line; what it raises for a person is in `exception`."""
    app = typer.Typer()
    commands.add_to(app)
    return CliRunner().invoke(app, arguments)


def succeed(*arguments: str) -> str:
    result = run(*arguments)
    if result.exception is not None:
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def refusal(*arguments: str) -> str:
    error = run(*arguments).exception
    assert isinstance(error, LocalStackError), error
    return str(error)


async def confirmed(url: str) -> list[str]:
    """The statuses of one order, followed over its WebSocket to the end."""
    async with follow.Client(url) as client, asyncio.timeout(60):
        return [status.status async for status in client.statuses(await client.place(BODY))]


def code_of(stack: Stack, function: str) -> str:
    return stack.clients.functions.get_function_configuration(FunctionName=function)["CodeSha256"]


@pytest.mark.usefixtures("up")
def test_the_artifact_takes_the_place_of_the_sources_and_confirms_orders(stack: Stack) -> None:
    before = code_of(stack, stack.function_names["Api"])
    said = succeed("deploy", "--target", "embedded", "--stack-name", stack.outputs.stack_name)
    assert "Modify" in said
    built = artifact.build(artifact.FUNCTIONS, wheels.this_platform(), bytecode=True)
    expected = base64.b64encode(hashlib.sha256(built.content).digest()).decode()
    functions = {name: code_of(stack, function) for name, function in stack.function_names.items() if name != "Migrate"}
    assert set(functions.values()) == {expected}
    assert expected != before
    # The front door still stands before it: the same APIs, now with the artifact behind them.
    statuses = asyncio.run(confirmed(stack.base_url))
    assert statuses == ["pending", "routing", "building", "submitted", "confirmed"]
    # What `./dev up` chose stays although it wasn't named again.
    environment = stack.clients.functions.get_function_configuration(FunctionName=stack.function_names["ExecuteOrders"])
    assert environment["Environment"]["Variables"]["SIMULATED_DELAY_SCALE"] == "0.05"


def test_a_stack_of_its_own_from_its_first_to_its_last_minute(stack: Stack, up: running.Running) -> None:
    # What people see first: the plan, the changes, the resources as they come, the outputs, a line to try.
    said = succeed("deploy", "--target", "embedded", "--stack-name", SECOND, "--parameter", "SimulatedDelayScale=0")
    uploads = bucket.name_for(SECOND, "000000000000", "us-east-1")
    for part in (f"made the bucket {uploads}", "DatabaseUrl", "(secret)", "Add", "CREATE_COMPLETE", "RestApiUrl"):
        assert part in said
    assert up.database_url not in said
    assert bucket.was_made_for(stack.clients, uploads, SECOND)

    (line,) = (line for line in said.splitlines() if line.startswith("curl "))
    answered = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=60, check=True)
    placed = json.loads(answered.stdout)
    assert placed["status"] == "pending"
    # No front door belongs to it: its answers name the emulator's own address.
    assert placed["websocketUrl"].startswith(up.emulator_url.replace("http", "ws"))

    again = succeed("deploy", "--target", "embedded", "--stack-name", SECOND)
    assert "made the bucket" not in again
    assert f"{SECOND} is deployed" in again

    assert "needs a confirmation" in refusal("destroy", "--target", "embedded", "--stack-name", SECOND)
    assert "deleted with its bucket" in succeed("destroy", "--target", "embedded", "--stack-name", SECOND, "--yes")
    assert not bucket.exists(stack.clients, uploads)
    assert "There is no stack second" in succeed("destroy", "--target", "embedded", "--stack-name", SECOND, "--yes")


@pytest.mark.usefixtures("up")
def test_a_failing_resource_is_named_with_its_reason(stack: Stack) -> None:
    """The database refuses to be migrated, in a resource of the template."""
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    reason = refusal(
        *("deploy", "--target", "embedded", "--stack-name", "broken", "--parameter", f"DatabaseUrl={nowhere}")
    )
    assert "Migrations (Custom::Migrations): " in reason
    assert "Can't log in to Postgres at 127.0.0.1:1/none" in reason
    succeed("destroy", "--target", "embedded", "--stack-name", "broken", "--yes")


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--parameter", "PythonRuntime=python3.10"), "PythonRuntime is python3."),
        (("--parameter", "Architecture"), "--parameter takes NAME=VALUE, not 'Architecture'"),
        (("--parameter", "LogLvel=INFO"), "no parameter 'LogLvel': did you mean LogLevel?"),
        (("--parameter", "LogLevel=LOUD"), "refuses the template"),
    ],
)
def test_parameters_that_cannot_be_used(arguments: tuple[str, str], sentence: str) -> None:
    assert sentence in refusal("deploy", "--target", "embedded", *arguments)


def test_the_stack_of_dev_up_is_not_destroyed(stack: Stack, up: running.Running) -> None:
    assert "end that with ./dev down" in refusal(
        *("destroy", "--target", "embedded", "--stack-name", up.stack_name, "--yes")
    )
    assert asyncio.run(confirmed(stack.base_url))[-1] == "confirmed"


def test_every_parameter_that_a_target_sets_is_the_templates(up: running.Running) -> None:
    from localstack import destination

    known = set(template.parameters(ROOT / "template.yaml"))
    assert set(destination.embedded_parameters(up)) <= known
    assert set(destination.localstack_parameters("localhost.localstack.cloud:4566")) <= known


@pytest.fixture
def account(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The emulator in the place of AWS, by the setting that every AWS tool knows; what to deploy there."""
    for name, value in {
        "AWS_ENDPOINT_URL": stack.emulator_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    here = wheels.this_platform()
    chosen = {
        "PythonRuntime": here.runtime,
        "Architecture": here.architecture,
        "DatabaseUrl": stack.database_url,
        "GatewayBaseUrl": f"{stack.emulator_url}/_aws/execute-api",
    }
    return [part for name, value in chosen.items() for part in ("--parameter", f"{name}={value}")]


def test_on_aws_nothing_is_sent_and_nothing_changed_without_a_yes(
    account: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--target", "aws", "--stack-name", "careful")
    assert "run it in a terminal, or add --yes" in refusal("deploy", *where, *account)

    monkeypatch.setattr(commands, "_must_ask", lambda *, yes: not yes)
    app = typer.Typer()
    commands.add_to(app)

    def answer(text: str, command: str, *more: str) -> Result:
        return CliRunner().invoke(app, [command, *where, *more], input=text)

    clients = Clients(Target("AWS", region="eu-central-1"))
    uploads = bucket.name_for("careful", "000000000000", "eu-central-1")
    try:
        refused = answer("n\n", "deploy", *account)
        assert str(refused.exception) == "Nothing was sent."
        assert "000000000000 in eu-central-1 on AWS" in refused.output
        assert not bucket.exists(clients, uploads)

        refused = answer("y\nno\n", "deploy", *account)
        assert str(refused.exception) == "Nothing was changed: the change set of careful was declined."
        assert "OrdersQueue" in refused.output
        assert not clients.cloudformation.describe_stack_resources(StackName="careful")["StackResources"]

        # The same, gone through with: what was declined before is no obstacle.
        done = answer("y\ny\n", "deploy", *account)
        assert done.exception is None, done.exception
        assert "careful is deployed" in done.output
        place = clients.s3.get_bucket_location(Bucket=uploads)["LocationConstraint"]
        assert place == "eu-central-1"

        kept = answer("n\n", "destroy")
        assert str(kept.exception) == "Nothing was deleted."
        assert "careful is deleted with its bucket" in answer("y\n", "destroy").output
        assert not bucket.exists(clients, uploads)
    finally:
        clients.close()


def test_credentials_that_nobody_knows(account: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASTRANGER00000000")
    sentence = refusal("deploy", "--target", "aws", "--yes", *account)
    assert "does not accept these credentials" in sentence or "AWS refused" in sentence
