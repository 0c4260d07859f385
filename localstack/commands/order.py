"""`order`: places an order and follows it to its end."""

import asyncio
from typing import Annotated
from urllib.parse import quote

import typer
from rich.live import Live

from localstack.client import follow, service
from localstack.client.console import Console
from localstack.client.statuses import CANCELLED, CONFIRMED
from localstack.errors import NotOver

_EXIT_STATUSES = {CONFIRMED: 0, CANCELLED: 3}


async def _place_and_follow(url: str, body: follow.Body, seconds: float, console: Console) -> str:
    """The status in which the order ends."""
    known = f"GET {url}/api/orders?userId={quote(str(body['userId']))} tells whether it was placed"
    try:
        async with follow.Client(url) as client:
            placed = await client.place(body)
            known = f"GET {url}/api/orders/{placed.order_id} tells how it stands"
            view = follow.View(placed.order_id, body)
            if not console.is_terminal:
                console.print(view.title(), soft_wrap=True)
            with Live(view, console=console, refresh_per_second=8) if console.is_terminal else follow.no_live():
                async with asyncio.timeout(seconds):
                    async for status in client.statuses(placed):
                        view.add(status)
                        if not console.is_terminal:
                            console.print(view.line(status), soft_wrap=True)
            return view.status
    except TimeoutError as error:
        raise NotOver(f"The order {placed.order_id} did not end within {seconds:.0f} s: {known}.") from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        Console(stderr=True).print(f"dev: interrupted, and the order is not: {known}.", markup=False, soft_wrap=True)
        raise


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
    max_price_impact_bps: Annotated[
        int | None, typer.Option(help="How far it may move the market, in hundredths of a percent.")
    ] = None,
    user: Annotated[str, typer.Option()] = "dev",
    wallet: Annotated[str, typer.Option()] = "wallet_dev",
    url: Annotated[str, typer.Option(help="Of the service; without it the one that runs in this clone.")] = "",
    timeout: Annotated[float, typer.Option(min=1, help="Seconds until it gives up following.")] = 120.0,
) -> None:
    """Places an order and shows every status as it comes.

    Exit status: 0 confirmed, 1 refused or failed, 2 wrong arguments, 3 cancelled, 4 no service answers, 5 placed or
    perhaps placed and its end not known, 130 interrupted by Ctrl-C; the order goes on then.
    """
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
    if max_price_impact_bps is not None:
        body["maxPriceImpactBps"] = max_price_impact_bps
    status = asyncio.run(_place_and_follow(service.url_of(url), body, timeout, Console()))
    raise typer.Exit(_EXIT_STATUSES.get(status, 1))


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(order)
