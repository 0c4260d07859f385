"""`order`: places an order and follows it to its end."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from localstack import follow, running
from localstack.commands.up import port_from_environment
from localstack.errors import LocalStackError


def service_url(given: str) -> str:
    """Where to send the order: --url, else the stack that runs in this clone, else PORT."""
    if given:
        return given.rstrip("/")
    try:
        return running.find().url
    except LocalStackError:
        return f"http://localhost:{port_from_environment()}"


async def _place_and_follow(url: str, body: follow.Body, seconds: float, console: Console) -> bool:
    async with follow.Client(url) as client:
        order_id = await client.place(body)
        view = follow.View(order_id, body)
        if not console.is_terminal:
            console.print(view.title())
        with Live(view, console=console, refresh_per_second=8) if console.is_terminal else follow.no_live():
            try:
                async with asyncio.timeout(seconds):
                    async for status in client.statuses(order_id):
                        view.add(status)
                        if not console.is_terminal:
                            console.print(view.line(status), soft_wrap=True)
            except TimeoutError as error:
                raise LocalStackError(
                    f"The order {order_id} did not end within {seconds:.0f} s; GET {url}/api/orders/{order_id} "
                    "tells how it stands."
                ) from error
        return view.succeeded


def order(
    *,
    amount: Annotated[str, typer.Option(help="How much, as an exact decimal.")] = "1.5",
    sell: Annotated[
        bool, typer.Option("--sell/--buy", help="Spend the amount of the input token, or receive it of the other.")
    ] = True,
    source: Annotated[str, typer.Option("--input", help="Token to pay with.")] = "SOL",
    destination: Annotated[str, typer.Option("--output", help="Token to receive.")] = "USDC",
    slippage_bps: Annotated[
        int | None, typer.Option(help="Worst acceptable price, in hundredths of a percent.")
    ] = None,
    user: Annotated[str, typer.Option()] = "dev",
    wallet: Annotated[str, typer.Option()] = "wallet_dev",
    url: Annotated[str, typer.Option(help="Of the service; without it the one that runs in this clone.")] = "",
    timeout: Annotated[float, typer.Option(min=1, help="Seconds until it gives up following.")] = 120.0,
) -> None:
    """Places an order, shows every status as it comes; exit status 1 where the order fails."""
    body: follow.Body = {
        "userId": user,
        "walletAddress": wallet,
        "inputToken": source,
        "outputToken": destination,
        "amount": amount,
        "side": "sell" if sell else "buy",
    }
    if slippage_bps is not None:
        body["slippageBps"] = slippage_bps
    console = Console(highlight=False)
    succeeded = asyncio.run(_place_and_follow(service_url(url), body, timeout, console))
    raise typer.Exit(0 if succeeded else 1)


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(order)
