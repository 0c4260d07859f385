"""The command line `order-engine`; `./dev` has the same commands."""

import sys
import warnings
from typing import Annotated

import typer

COMMANDS = ("order", "quote", "market", "tokens", "health", "watch")


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    from order_engine.cli import order, service, watch

    app.add_typer(order.app, name="order")
    for command in (service.quote, service.market, service.tokens, service.health, watch.watch):
        app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        from order_engine import __version__
        from order_engine.cli.console import write_line

        write_line(f"order-engine {__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Says which version this is.")
    ] = False,
) -> None:
    """The options before any command."""
    del version


def application() -> typer.Typer:
    """`order-engine` with its commands."""
    from order_engine.cli.program import EXITS

    app = typer.Typer(
        name="order-engine",
        help="Places and follows orders of an order execution engine.\n\n--url or ORDER_ENGINE_URL says where it is, "
        f"--token or ORDER_ENGINE_TOKEN who asks.\n\n{EXITS}",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    app.callback()(options)
    add_to(app)
    return app


def main() -> None:
    """Runs the command line."""
    from order_engine.cli.console import open_streams
    from order_engine.cli.signals import run_to_the_end

    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are for whoever writes programs
    open_streams()
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    run_to_the_end("order-engine", lambda: application()(prog_name="order-engine"))
