"""`./dev deploy` and `./dev destroy` with the real artifact, on an emulator that enforces IAM."""

import asyncio
import base64
import functools
import hashlib
import io
import os
import shlex
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from localstack.client import local_program
from localstack.commands import deploy as commands
from localstack.deployment import deploying, stacks
from localstack.deployment.aws_clients import Clients
from localstack.deployment.aws_target import Target
from localstack.errors import UserError
from localstack.local_stack import cloudformation, state_file
from localstack.local_stack.stack_for_tests import Stack, boot
from localstack.packaging import lambda_package, wheels
from order_engine import Client
from tests.fakes.programs import invoke
from tests.fakes.service import an_order

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("deploy")]
SECOND = "second"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """What `./dev up` runs: the sources, with libraries from the environment."""
    with boot(tmp_path_factory.mktemp("up"), parameters={"SimulatedDelayScale": "0.05"}) as booted:
        yield booted


@pytest.fixture(scope="module", autouse=True)
def built_once() -> Iterator[None]:
    """Every deployment here takes the same artifact, which takes seconds to build; test_artifact.py builds it twice."""
    once = functools.cache(lambda_package.build_all)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lambda_package, "build_all", lambda target, report=None: once(target))
        yield


@pytest.fixture
def up(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> state_file.Running:
    """That stack as the one which runs in this clone."""
    found = stack.runtime.running(stack.base_url)
    monkeypatch.setattr(state_file, "find", lambda: found)
    return found


@dataclass(frozen=True)
class Command:
    """The command line: what it and sam say, and what it raises for a person."""

    shown: pytest.CaptureFixture[str]

    def run(self, *arguments: str, keys: str = "") -> tuple[str, BaseException | None]:
        result = invoke(commands, *arguments, input=keys)
        if result.exception is None:
            assert result.exit_code == 0, result.output
        sam, errors = self.shown.readouterr()
        return result.output + sam + errors, result.exception

    def succeed(self, *arguments: str, keys: str = "") -> str:
        said, exception = self.run(*arguments, keys=keys)
        if exception is not None:
            raise AssertionError(said) from exception
        return said

    def refusal(self, *arguments: str, keys: str = "") -> str:
        said, error = self.run(*arguments, keys=keys)
        assert isinstance(error, UserError), (error, said)
        return str(error)


@pytest.fixture
def dev(capfd: pytest.CaptureFixture[str]) -> Command:
    return Command(capfd)


@contextmanager
def typed(text: str) -> Iterator[None]:
    """What a person types for sam, which reads it from our standard input itself."""
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    kept = os.dup(0)
    os.dup2(reader, 0)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        for number in (reader, kept):
            os.close(number)


def uploads(clients: Clients, stack_name: str) -> list[str]:
    """What is uploaded for a stack now."""
    buckets = [item["Name"] for item in clients.s3.list_buckets()["Buckets"] if "sam-cli" in item["Name"]]
    return [
        item["Key"]
        for name in buckets
        for item in clients.s3.list_objects_v2(Bucket=name, Prefix=f"{stack_name}/").get("Contents", [])
    ]


async def confirmed(url: str) -> list[str]:
    """The statuses of one order, followed over its WebSocket to the end."""
    async with Client(url, headers=local_program.headers_of(url)) as client, asyncio.timeout(60):
        return [event.status async for event in client.follow(await client.place(an_order("somebody")))]


def code_of(stack: Stack, function: str) -> str:
    return stack.clients.functions.get_function_configuration(FunctionName=function)["CodeSha256"]


@pytest.mark.usefixtures("up")
def test_the_artifact_takes_the_place_of_the_sources_and_confirms_orders(stack: Stack, dev: Command) -> None:
    before = code_of(stack, stack.function_names["Api"])
    said = dev.succeed("deploy", "--target", "embedded", "--stack-name", stack.outputs.stack_name)
    assert "* Modify" in said
    built = lambda_package.build_all(wheels.this_platform())[lambda_package.FUNCTIONS]
    assert [name for name in zipfile.ZipFile(io.BytesIO(built.content)).namelist() if name.endswith(".pyc")]
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


def test_a_stack_of_its_own_from_its_first_to_its_last_minute(
    stack: Stack, up: state_file.Running, dev: Command
) -> None:
    # What people see first: the plan, the changes, the resources as they come, the outputs, a line to try.
    where = ("--target", "embedded", "--stack-name", SECOND)
    said = dev.succeed("deploy", *where, "--parameter", "SimulatedDelayScale=0")
    for part in ("DatabaseUrl", "(secret)", "+ Add", "CREATE_COMPLETE", "RestApiUrl"):
        assert part in said
    assert up.database_url not in said
    assert uploads(stack.clients, SECOND)

    # No front door belongs to it: its answers name the emulator's own address, which our own client is let into.
    (line,) = (line for line in said.splitlines() if line.startswith("./dev order --url "))
    url = shlex.split(line)[-1]
    assert url.startswith(up.emulator_url)
    assert asyncio.run(confirmed(url))[-1] == "confirmed"

    assert f"{SECOND} is deployed" in dev.succeed("deploy", *where)
    function = cloudformation.outputs(stack.clients, SECOND).function_names["ExecuteOrders"]
    settings = stack.clients.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    assert settings["SIMULATED_DELAY_SCALE"] == "0"

    assert "needs a confirmation" in dev.refusal("destroy", *where)
    assert f"{SECOND} is deleted" in dev.succeed("destroy", *where, "--yes")
    assert not uploads(stack.clients, SECOND)
    assert "There is no stack second" in dev.succeed("destroy", *where, "--yes")


@pytest.mark.usefixtures("up")
def test_a_failed_first_deployment_is_named_repeated_and_removed(stack: Stack, dev: Command) -> None:
    """The database refuses to be migrated, in a resource of the template."""
    where = ("--target", "embedded", "--stack-name", "broken")
    nowhere = ("--parameter", "DatabaseUrl=postgresql://nobody@127.0.0.1:1/none")
    reason = dev.refusal("deploy", *where, *nowhere, "--parameter", "LogLevel=ERROR")
    assert "Migrations (Custom::Migrations): " in reason
    assert "Can't log in to Postgres at 127.0.0.1:1/none" in reason
    assert "deploy again, which deletes what is left first" in reason

    # The target's own database now; what else was given is still known.
    said = dev.succeed("deploy", *where)
    assert "what is left of it is deleted first" in said
    function = cloudformation.outputs(stack.clients, "broken").function_names["Api"]
    settings = stack.clients.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    assert settings["LOG_LEVEL"] == "ERROR"
    assert settings["DATABASE_URL"] == stack.database_url
    dev.succeed("destroy", *where, "--yes")

    dev.refusal("deploy", *where, *nowhere)
    assert "broken is deleted" in dev.succeed("destroy", *where, "--yes")
    assert stacks.state_of(stack.clients, "broken").status == stacks.ABSENT


@pytest.mark.usefixtures("up")
def test_a_value_that_the_template_does_not_take(dev: Command) -> None:
    said, error = dev.run("deploy", "--target", "embedded", "--stack-name", "refused", "--parameter", "LogLevel=LOUD")
    assert "LogLevel" in said
    assert str(error) == "The stack refused was not deployed: see above what sam says."


def test_the_stack_of_dev_up_is_not_destroyed(stack: Stack, up: state_file.Running, dev: Command) -> None:
    assert "end that with ./dev down" in dev.refusal(
        *("destroy", "--target", "embedded", "--stack-name", up.stack_name, "--yes")
    )
    assert asyncio.run(confirmed(stack.base_url))[-1] == "confirmed"


@pytest.fixture
def account(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The emulator in the place of AWS, by the setting that every AWS tool knows; what to deploy there."""
    for name, value in replace(stack.clients.target, region="eu-central-1").environment.items():
        monkeypatch.setenv(name, value)
    here = wheels.this_platform()
    chosen = {
        "PythonRuntime": here.runtime,
        "Architecture": here.architecture,
        "DatabaseUrl": stack.database_url,
        "GatewayBaseUrl": f"{stack.emulator_url}/_aws/execute-api",
    }
    return [part for name, value in chosen.items() for part in ("--parameter", f"{name}={value}")]


@pytest.fixture
def clients(account: list[str]) -> Iterator[Clients]:
    made = Clients(Target("AWS", region="eu-central-1"))
    yield made
    made.close()


def test_on_aws_nothing_is_sent_and_nothing_changed_without_a_yes(
    account: list[str], clients: Clients, dev: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--target", "aws", "--stack-name", "careful")
    assert "run it in a terminal, or add --yes" in dev.refusal("deploy", *where, *account)

    monkeypatch.setattr(commands, "_must_ask", lambda *, yes: not yes)
    said, refused = dev.run("deploy", *where, *account, keys="n\n")
    assert str(refused) == "Nothing was sent."
    assert "000000000000 in eu-central-1 on AWS" in said
    assert not uploads(clients, "careful")

    with typed("n\n"):
        said, refused = dev.run("deploy", *where, *account, keys="y\n")
    assert str(refused) == "Nothing was changed: the change set of careful was declined."
    assert "OrdersQueue" in said
    assert stacks.state_of(clients, "careful").status == stacks.ABSENT

    # The same, gone through with: what was declined before is no obstacle.
    with typed("y\n"):
        assert "careful is deployed" in dev.succeed("deploy", *where, *account, keys="y\n")
    assert uploads(clients, "careful")

    # An update that is declined leaves the stack and no change set.
    changed = ("--parameter", "LogLevel=DEBUG")
    with typed("n\n"):
        said, refused = dev.run("deploy", *where, *account, *changed, keys="y\n")
    assert str(refused) == "Nothing was changed: the change set of careful was declined."
    assert not deploying.delete_change_set(clients, "careful")
    assert stacks.state_of(clients, "careful").parameters["LogLevel"] == "INFO"

    assert dev.refusal("destroy", *where, keys="n\n") == "Nothing was deleted."
    assert "careful is deleted" in dev.succeed("destroy", *where, keys="y\n")
    assert not uploads(clients, "careful")


def test_credentials_that_nobody_knows(account: list[str], dev: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASTRANGER00000000")  # pragma: allowlist secret
    sentence = dev.refusal("deploy", "--target", "aws", "--yes", *account)
    assert "does not accept these credentials" in sentence or "AWS refused" in sentence
