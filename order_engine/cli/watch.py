"""`watch`: every order on one screen, live."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from order_engine.cli.program import Bearer, Exit, Url, connect, print_error, program, run

if TYPE_CHECKING:
    from order_engine import Client


def watch(
    *,
    user: Annotated[str | None, typer.Option(help="Only this user's orders.")] = None,
    limit: Annotated[
        int, typer.Option("--limit", "--last", "-n", min=1, max=200, help="How many of the newest orders.")
    ] = 50,
    url: Url = "",
    token: Bearer = "",
) -> None:
    """Shows the newest orders on a screen of its own, live, with their details, logs and a way to cancel them."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print_error(f"watch needs a terminal: {program.name} order list prints the same once.")
        raise typer.Exit(Exit.USAGE)

    async def reached(client: "Client") -> None:
        await client.health()

    run(reached, url, token)  # what is wrong now is said before the screen is taken
    from order_engine.cli.screen import WatchApp

    program.user = user
    screen = WatchApp(connect(url, token), user=user, last=limit)
    screen.run()
    if screen.ended_by is not None:
        raise typer.Exit(128 + screen.ended_by)
