"""`up` and `down`: the whole stack on this machine."""

import os
import time
from typing import Annotated

import typer

from localstack.errors import UserError
from localstack.local_stack import ports, state_file
from order_engine.cli.console import Console

_DEFAULT_PORT = 3000


def port_from_environment() -> int:
    """ORDER_ENGINE_PORT, else PORT, else 3000; raises UserError where it is no port."""
    for name in ("ORDER_ENGINE_PORT", "PORT"):
        if text := os.environ.get(name, "").strip():
            if not (text.isascii() and text.isdecimal()) or not 0 < int(text) <= ports.LARGEST:
                raise UserError(f"{name} is {text!r}: it takes a number from 1 to {ports.LARGEST}.")
            return int(text)
    return _DEFAULT_PORT


def up(
    delay_scale: Annotated[
        str,
        typer.Option(
            "--delay-scale",
            envvar="SIMULATED_DELAY_SCALE",
            help="Scales the simulated delays of venues and chain: 1 is realistic, 0 is none.",
        ),
    ] = "1",
    faults: Annotated[
        str,
        typer.Option(
            "--faults",
            envvar="SIMULATED_FAULTS",
            help="Rates of simulated faults, e.g. quote_error=0.1,dropped=0.05.",
        ),
    ] = "",
    auth: Annotated[
        str,
        typer.Option(
            "--auth",
            metavar="open|jwt",
            help="Whether calls need an access token; ./dev token makes them.",
        ),
    ] = "open",
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other parameter of template.yaml; may be repeated."),
    ] = None,
) -> None:
    """Starts everything and shows the logs until Ctrl-C. PORT (3000) and ORDER_ENGINE_HOST choose where.

    Exit status: 0 ended by Ctrl-C, ./dev down or a closed terminal once it was ready, 128 + N by signal N before (130:
    Ctrl-C), 1 something can't be started or ends again and again.
    """
    started = time.monotonic()
    chosen = {"SimulatedDelayScale": delay_scale, "SimulatedFaults": faults}
    if auth not in ("open", "jwt"):
        raise UserError(f"--auth takes open or jwt, not {auth!r}.")
    if auth == "jwt":
        from localstack.client import issuer

        chosen |= issuer.parameters()
    for pair in parameters or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set takes NAME=VALUE, not {pair!r}.")
        chosen[name] = value
    from localstack.local_stack.supervisor import Supervisor

    raise typer.Exit(Supervisor(Console(), port_from_environment(), chosen, started).run())


def down() -> None:
    """Ends the ./dev up that runs in this clone and waits until nothing of it is left; no failure where none runs."""
    Console().print("Stopped." if state_file.stop() else "Nothing runs in this clone.")


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(up)
    app.command()(down)
