"""`env`: leads a shell's AWS tools to the stack that runs here."""

import os
import shlex

import typer

from localstack.local_stack import state_file
from order_engine.cli.console import write_line

# Of another account, or what would make a tool look elsewhere than where the variables above lead.
_IN_THE_WAY = ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")


def env() -> None:
    """Prints what a shell evaluates so that aws, sam and boto3 talk to the ./dev up of this clone.

    eval "$(./dev env)"; aws sqs list-queues. The key in it is the emulator's of this run: after another ./dev up,
    evaluate it again.
    """
    variables = {
        **state_file.find().target().environment,
        # Of this command's own environment, where this machine's addresses are excepted already.
        **{name: os.environ[name] for name in ("NO_PROXY", "no_proxy") if name in os.environ},
    }
    for name, value in variables.items():
        write_line(f"export {name}={shlex.quote(value)}")
    write_line(f"unset {' '.join(_IN_THE_WAY)}")


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(env)
