"""`build`, `deploy` and `destroy`: the real artifact, on AWS, LocalStack or the stack that runs here."""

import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape

from localstack.deployment import deploying, stacks, targets, tools
from localstack.deployment.aws_clients import Clients
from localstack.deployment.preflight import preflight
from localstack.deployment.targets import DeployTarget
from localstack.environment import adopt_clean_environment
from localstack.errors import UserError
from localstack.local_stack import cloudformation, state_file
from localstack.local_stack.runtime import STACK_NAME
from localstack.packaging import lambda_package, sam_build, template
from localstack.packaging.wheels import lambda_platform
from localstack.paths import ROOT
from order_engine.cli.console import Console

_TEMPLATE = ROOT / "template.yaml"
_WIDTH = 140


class TargetName(StrEnum):
    """Where to."""

    AWS = "aws"
    LOCALSTACK = "localstack"
    EMBEDDED = "embedded"


_Target: TypeAlias = Annotated[TargetName, typer.Option("--target", help="Where to.", show_default=False)]
_Name: TypeAlias = Annotated[str, typer.Option("--stack-name", help="Name of the CloudFormation stack.")]
_Region: TypeAlias = Annotated[
    str, typer.Option("--region", help="AWS region; AWS_REGION or the profile's without it.")
]
_Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Asks nothing.")]


def _deploy_target(target: TargetName, stack_name: str, region: str) -> DeployTarget:
    if target is TargetName.AWS:
        return targets.aws(region)
    adopt_clean_environment("LOCALSTACK_HOST", "LOCALSTACK_AUTH_TOKEN")
    if target is TargetName.LOCALSTACK:
        return targets.localstack(region)
    return targets.embedded(state_file.find(), stack_name)


@contextmanager
def _explain_aws_errors(where: DeployTarget) -> Iterator[None]:
    """Turns what botocore raises into a sentence."""
    try:
        yield
    except ClientError as error:
        reason = error.response.get("Error", {}).get("Message", "") or str(error)
        raise UserError(f"{where.target.name} refused {error.operation_name}: {reason}") from error
    except BotoCoreError as error:
        raise UserError(f"{where.target.name} can't be reached: {error}") from error


def _must_ask(*, yes: bool) -> bool:
    """Whether a person is to be asked; raises UserError where nobody is there to answer."""
    if yes:
        return False
    if not sys.stdin.isatty():
        raise UserError("This needs a confirmation and nobody can be asked here: run it in a terminal, or add --yes.")
    return True


def _confirm(console: Console, question: str) -> bool:
    return console.input(f"[bold]{escape(question)}[/bold] [dim]\\[y/N][/dim] ").strip().lower() in ("y", "yes")


def _console() -> Console:
    """In a file or a pipe, wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def _reporter(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(f"  [dim]{escape(text)}[/dim]", soft_wrap=True)


def build(
    runtime: Annotated[
        str, typer.Option(help="PythonRuntime of the functions; the template's default without it.")
    ] = "",
    architecture: Annotated[str, typer.Option(help="arm64 or x86_64; the template's default without it.")] = "",
) -> None:
    """Builds the artifacts into .aws-sam/build, where `sam deploy` finds them; instead of `sam build`."""
    console = _console()
    declared = template.parameters(_TEMPLATE)
    target = lambda_platform(
        runtime or declared["PythonRuntime"].default, architecture or declared["Architecture"].default
    )
    path = sam_build.write(_TEMPLATE, lambda_package.build_all(target, _reporter(console)), target)
    console.print(f"{path.relative_to(ROOT)} is built for {target.name}. Next: ./dev tool sam deploy --config-env aws")


def deploy(
    *,
    target: _Target,
    stack_name: _Name = STACK_NAME,
    region: _Region = "",
    parameters: Annotated[
        list[str] | None,
        typer.Option("--parameter", metavar="NAME=VALUE", help="A parameter of template.yaml; may be repeated."),
    ] = None,
    yes: _Yes = False,
) -> None:
    """Builds, uploads, shows the changes, asks (on AWS) and deploys; a parameter not given stays as it was deployed."""
    console = _console()
    report = _reporter(console)
    declared = template.parameters(_TEMPLATE)
    given = deploying.parse_parameters(parameters or [], declared)
    where = _deploy_target(target, stack_name, region)
    if where.lacks:
        console.print(f"[yellow]{escape(where.lacks)}[/yellow]", soft_wrap=True)
    asks = where.is_real and _must_ask(yes=yes)
    with _explain_aws_errors(where):
        clients = where.clients()
        now = stacks.state_of(clients, stack_name)
        now.refuse_stuck(stack_name)
        chosen = deploying.chosen_parameters(where, given, now, declared)
        platform = deploying.chosen_platform(where, chosen, now.parameters, declared)
        built = lambda_package.build_all(platform, report)
        chosen |= sam_build.parameters(built, platform)
        console.print(deploying.DeploymentPlan(where, stack_name, chosen).table(declared))
        if now.never_came_up:
            console.print(f"Its first deployment failed ({now.status}): what is left of it is deleted first.")
        if where.is_real:
            _print_warnings(console, where, now, chosen, declared)
        if asks and not _confirm(console, "Upload this and see what would change?"):
            raise UserError("Nothing was sent.")
        if now.never_came_up:
            _delete(where, clients, stack_name, now, report)
        # What an interrupted deployment left would be taken for a change set that was declined.
        if asks:
            deploying.delete_change_set(clients, stack_name)
        started = time.time() - 1
        # A folder of its own: two deployments of one clone at once would send each other's zips.
        with tempfile.TemporaryDirectory(prefix="order-engine-deploy-") as made:
            path = sam_build.write(_TEMPLATE, built, platform, Path(made) / "build")
            done = deploying.deploy(where, stack_name, path, chosen, ask=asks, report=report)
        if asks and deploying.delete_change_set(clients, stack_name):
            raise UserError(f"Nothing was changed: the change set of {stack_name} was declined.")
        if not done:
            raise UserError(_failure_text(clients, stack_name, started))
        outputs = cloudformation.outputs(clients, stack_name)
    _print_outputs(console, outputs, where)


def _print_warnings(
    console: Console,
    where: DeployTarget,
    now: stacks.StackState,
    chosen: Mapping[str, str],
    declared: Mapping[str, template.Parameter],
) -> None:
    """Says what the account would refuse, or starve."""
    effective = {name: parameter.default for name, parameter in declared.items()}
    effective |= {name: value for name, value in now.parameters.items() if name in declared}
    # What a secret parameter reads as is not what it is.
    effective |= {"DatabaseUrl": ""} if now.has_database else {}
    for sentence in preflight(boto3.Session(region_name=where.target.region).client, {**effective, **chosen}):
        console.print(f"[yellow]{escape(sentence)}[/yellow]", soft_wrap=True)


def _failure_text(clients: Clients, stack_name: str, started: float) -> str:
    """Why a deployment failed, and what to do."""
    status = stacks.state_of(clients, stack_name)
    if not status.exists:
        return f"The stack {stack_name} was not deployed: see above what sam says."
    again = "deploy again, which deletes what is left first" if status.never_came_up else "deploy again"
    return (
        f"The stack {stack_name} could not be deployed ({status.status}); mend this and {again}:\n"
        f"{stacks.failures(clients, stack_name, started)}"
    )


def _delete(
    where: DeployTarget, clients: Clients, stack_name: str, now: stacks.StackState, report: Callable[[str], None]
) -> None:
    """Deletes the stack; raises UserError naming what can't be deleted and why."""
    if now.never_came_up:
        deploying.unprotect(clients, stack_name)
    # By its id: a stack that is gone has no name.
    stack_id = clients.cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]["StackId"]
    started = time.time() - 1
    if not deploying.delete(where, stack_name, report):
        raise UserError(f"The stack {stack_name} could not be deleted:\n{stacks.failures(clients, stack_id, started)}")


def _print_outputs(console: Console, outputs: cloudformation.Outputs, where: DeployTarget) -> None:
    console.print(f"\n[bold green]{outputs.stack_name} is deployed.[/bold green]")
    for name, value in sorted(outputs.values.items()):
        console.print(f"  {name:<32} {escape(value)}", soft_wrap=True)
    console.print("\nPlace an order:\n")
    console.out(deploying.order_line(outputs.rest_url, where), highlight=False)
    if where.has_a_front_door:
        console.print("\nThe answer's [bold]websocketUrl[/bold] streams what happens to it.")


def destroy(*, target: _Target, stack_name: _Name = STACK_NAME, region: _Region = "", yes: _Yes = False) -> None:
    """Deletes a deployed stack and what was uploaded for it, after a confirmation."""
    console = _console()
    where = _deploy_target(target, stack_name, region)
    if target is TargetName.EMBEDDED and stack_name == state_file.find().stack_name:
        raise UserError(f"The stack {stack_name} is the ./dev up that runs: end that with ./dev down.")
    asks = _must_ask(yes=yes)
    with _explain_aws_errors(where):
        clients = where.clients()
        now = stacks.state_of(clients, stack_name)
        if now.status == stacks.ABSENT:
            console.print(f"There is no stack {stack_name} in {where.target.region} on {where.target.name}.")
            return
        deploying.refuse_protected(stack_name, now)
        question = f"Delete the stack {stack_name} in {where.target.region}, account {where.account}, for good?"
        if asks and not _confirm(console, question):
            raise UserError("Nothing was deleted.")
        _delete(where, clients, stack_name, now, _reporter(console))
        if not where.is_real:
            deploying.remove_sams_bucket(clients)
    console.print(f"The stack {stack_name} is deleted.")
    if now.has_database:
        console.print("RDS keeps a last snapshot of the database, which is charged: delete it when you don't need it.")


def _is_embedded(arguments: Sequence[str]) -> bool:
    """Whether sam is told to use the environment of samconfig.toml for the stack that runs here."""
    return "--config-env=embedded" in arguments or ("--config-env", "embedded") in itertools.pairwise(arguments)


def tool(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="sam, checkov or aws; installed at the first use.")],
) -> None:
    """Runs sam, checkov or aws with the arguments that follow, e.g. ./dev tool sam deploy --guided.

    aws talks to the ./dev up of this clone, and so does sam with --config-env embedded.
    """
    console = Console(stderr=True)
    is_for_here = name == "aws" or _is_embedded(context.args)
    here = state_file.find().target().environment if is_for_here else {}
    path = tools.ensure(name, _reporter(console))
    command = deploying.sam_command(path) if name == "sam" else tools.command(path)
    if name == "aws":
        # Its version 1 knows better than AWS_ENDPOINT_URL where SQS and RDS are.
        command += ["--endpoint-url", here["AWS_ENDPOINT_URL"]]
    environment = tools.environment()
    if here:
        environment = {**{key: value for key, value in environment.items() if not key.startswith("AWS_")}, **here}
    ended = subprocess.run([*command, *context.args], env=environment, check=False)  # noqa: S603  # as asked
    raise typer.Exit(ended.returncode)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(tool)
    app.command()(build)
    app.command()(deploy)
    app.command()(destroy)
