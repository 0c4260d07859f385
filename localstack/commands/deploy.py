"""`build`, `deploy` and `destroy`: the real artifact, on AWS, LocalStack or the stack that runs here."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, TypeAlias

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from localstack import artifact, bucket, changes, destination, running, sam_build, stack, template, tools
from localstack.deploying import (
    Plan,
    chosen_platform,
    curl_line,
    parse_parameters,
    refuse_protected,
    state_of,
)
from localstack.destination import Destination
from localstack.environment import adopt_composed
from localstack.errors import LocalStackError
from localstack.local_runtime import STACK_NAME
from localstack.paths import ROOT
from localstack.wheels import lambda_platform

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
_Bytecode: TypeAlias = Annotated[
    bool, typer.Option("--bytecode", help="Adds compiled modules, which halves the time of a cold start.")
]


def _destination(target: TargetName, stack_name: str, region: str) -> Destination:
    if target is TargetName.AWS:
        return destination.aws(region)
    adopt_composed("LOCALSTACK_HOST", "LOCALSTACK_AUTH_TOKEN")
    if target is TargetName.LOCALSTACK:
        return destination.localstack(region)
    return destination.embedded(running.find(), stack_name)


@contextmanager
def _explaining(where: Destination) -> Iterator[None]:
    """Turns what botocore raises into a sentence."""
    try:
        yield
    except ClientError as error:
        reason = error.response.get("Error", {}).get("Message", "") or str(error)
        raise LocalStackError(f"{where.target.name} refused {error.operation_name}: {reason}") from error
    except BotoCoreError as error:
        raise LocalStackError(f"{where.target.name} can't be reached: {error}") from error


def _must_ask(*, yes: bool) -> bool:
    """Whether a person is to be asked; raises LocalStackError where nobody is there to answer."""
    if yes:
        return False
    if not sys.stdin.isatty():
        raise LocalStackError(
            "This needs a confirmation and nobody can be asked here: run it in a terminal, or add --yes."
        )
    return True


def _confirm(console: Console, question: str) -> bool:
    return console.input(f"[bold]{escape(question)}[/bold] [dim]\\[y/N][/dim] ").strip().lower() in ("y", "yes")


def _console() -> Console:
    """In a file or a pipe, wide enough for the tables."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def _reporter(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(f"  [dim]{escape(text)}[/dim]", soft_wrap=True)


def build(
    runtime: Annotated[
        str, typer.Option(help="PythonRuntime of the functions; the template's default without it.")
    ] = "",
    architecture: Annotated[str, typer.Option(help="arm64 or x86_64; the template's default without it.")] = "",
    bytecode: _Bytecode = False,
) -> None:
    """Builds the artifacts into .aws-sam/build, where `sam deploy --guided` finds them; instead of `sam build`."""
    console = _console()
    declared = template.parameters(_TEMPLATE)
    target = lambda_platform(
        runtime or declared["PythonRuntime"].default, architecture or declared["Architecture"].default
    )
    report = _reporter(console)
    zips = {
        f"{folder.relative_to(ROOT).as_posix()}/": artifact.build(folder, target, report, bytecode=bytecode)
        for folder in artifact.RECIPES
    }
    path = sam_build.write(_TEMPLATE, zips, target)
    console.print(
        f"{path.relative_to(ROOT)} is built for {target.name}. Next: ./dev tool sam deploy --guided (or your own sam)"
    )


def deploy(
    *,
    target: _Target,
    stack_name: _Name = STACK_NAME,
    region: _Region = "",
    parameters: Annotated[
        list[str] | None,
        typer.Option("--parameter", metavar="NAME=VALUE", help="A parameter of template.yaml; may be repeated."),
    ] = None,
    bucket_name: Annotated[
        str, typer.Option("--bucket", help="Uploads to this bucket of yours instead of making one.")
    ] = "",
    minutes: Annotated[float | None, typer.Option("--timeout", min=0.1, help="Minutes until it stops waiting.")] = None,
    bytecode: _Bytecode = False,
    yes: _Yes = False,
) -> None:
    """Builds, uploads, shows the changes, asks (on AWS) and deploys; a parameter not given stays as it was deployed."""
    console = _console()
    declared = template.parameters(_TEMPLATE)
    given = parse_parameters(parameters or [], declared)
    where = _destination(target, stack_name, region)
    asks = where.is_real and _must_ask(yes=yes)
    with _explaining(where):
        clients = where.clients()
        now = state_of(clients, stack_name)
        platform = chosen_platform(where, {**where.parameters, **given}, now.parameters, declared)
        plan = Plan(
            where=where,
            stack_name=stack_name,
            parameters={
                **({} if now.exists and where.kind != "embedded" else where.parameters),
                **given,
                "PythonRuntime": platform.runtime,
                "Architecture": platform.architecture,
            },
            bucket=bucket_name or bucket.name_for(stack_name, where.account, where.target.region),
        )
        report = _reporter(console)
        built = {
            folder: artifact.build(folder, platform, report, bytecode=bytecode or target is TargetName.EMBEDDED)
            for folder in artifact.RECIPES
        }
        console.print(plan.table(declared))
        if asks and not _confirm(console, "Upload this and see what would change?"):
            raise LocalStackError("Nothing was sent.")
        if not bucket_name and bucket.ensure(clients, plan.bucket, stack_name):
            report(f"made the bucket {plan.bucket}")

        def approve(found: Sequence[changes.Change]) -> bool:
            console.print(changes.table(found))
            return not asks or _confirm(console, f"Make these changes in account {where.account}?")

        outputs = stack.deploy(
            clients,
            stack.Deployment(
                name=stack_name,
                path=_TEMPLATE,
                parameters=plan.parameters,
                bucket=plan.bucket,
                package=lambda folder: built[folder],
                limit_seconds=minutes * 60 if minutes else where.limit_seconds,
                poll_seconds=where.poll_seconds,
                approve=approve,
                report=report,
                keep_parameters=True,
                replace_failed=not where.is_real,
                # Elsewhere nobody looks at tags, and they would show as a change of everything.
                tags={"project": "order-engine"} if where.is_real else {},
            ),
        )
    _show(console, outputs)


def _show(console: Console, outputs: stack.Outputs) -> None:
    console.print(f"\n[bold green]{outputs.stack_name} is deployed.[/bold green]")
    for name, value in sorted(outputs.values.items()):
        console.print(f"  {name:<32} {escape(value)}", soft_wrap=True)
    console.print("\nPlace an order:\n")
    console.out(curl_line(outputs.rest_url), highlight=False)
    console.print("\nThe answer's [bold]websocketUrl[/bold] streams what happens to it.")


def destroy(*, target: _Target, stack_name: _Name = STACK_NAME, region: _Region = "", yes: _Yes = False) -> None:
    """Deletes a deployed stack and the bucket made for it, after a confirmation."""
    console = _console()
    where = _destination(target, stack_name, region)
    if target is TargetName.EMBEDDED and stack_name == running.find().stack_name:
        raise LocalStackError(f"The stack {stack_name} is the ./dev up that runs: end that with ./dev down.")
    asks = _must_ask(yes=yes)
    with _explaining(where):
        clients = where.clients()
        uploads = bucket.name_for(stack_name, where.account, where.target.region)
        ours = bucket.was_made_for(clients, uploads, stack_name)
        now = state_of(clients, stack_name)
        if not now.exists and not ours:
            console.print(f"There is no stack {stack_name} in {where.target.region} on {where.target.name}.")
            return
        refuse_protected(stack_name, now)
        question = f"Delete the stack {stack_name} in {where.target.region}, account {where.account}, for good?"
        if asks and not _confirm(console, question):
            raise LocalStackError("Nothing was deleted.")
        stack.delete(
            clients,
            stack.Deployment(
                name=stack_name,
                path=_TEMPLATE,
                parameters={},
                bucket=uploads,
                limit_seconds=where.limit_seconds,
                poll_seconds=where.poll_seconds,
                report=_reporter(console),
            ),
        )
        if ours:
            bucket.remove(clients, uploads)
    console.print(f"The stack {stack_name} is deleted{' with its bucket' if ours else ''}.")
    if now.has_database:
        console.print("RDS keeps a last snapshot of the database, which is charged: delete it when you don't need it.")


def tool(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="sam or checkov; installed at the first use.")],
) -> None:
    """Runs sam or checkov with the arguments that follow, e.g. ./dev tool sam deploy --guided."""
    console = Console(highlight=False, stderr=True)
    path = tools.ensure(name, _reporter(console))
    ended = subprocess.run([str(path), *context.args], env=tools.environment(), check=False)  # noqa: S603  # as asked
    raise typer.Exit(ended.returncode)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(tool)
    app.command()(build)
    app.command()(deploy)
    app.command()(destroy)
