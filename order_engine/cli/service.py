"""`quote`, `tokens` and `health`."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from order_engine.cli import text
from order_engine.cli.console import Console, write_line
from order_engine.cli.order import Amount, Destination, Impact, Sell, Slippage, Source
from order_engine.cli.program import AsJson, Bearer, Exit, Quiet, Url, escape_json, print_json, run

if TYPE_CHECKING:
    from order_engine import Client


def quote(
    *,
    amount: Amount = "1.5",
    sell: Sell = True,
    source: Source = "SOL",
    destination: Destination = "USDC",
    slippage_bps: Slippage = None,
    max_price_impact_bps: Impact = None,
    url: Url = "",
    token: Bearer = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Asks what an order would be routed to right now; nothing is executed.

    With --quiet only what it would receive, or pay.
    """
    from order_engine import Swap

    wanted = Swap(
        input_token=source,
        output_token=destination,
        side="sell" if sell else "buy",
        amount=amount,
        slippage_bps=slippage_bps,
        max_price_impact_bps=max_price_impact_bps,
    )

    async def work(client: "Client") -> None:
        if as_json:
            print_json((await client.request("POST", "/api/quotes", body=wanted.body())).text)
            return
        route = await client.quote(wanted)
        console = Console()
        chosen = route.chosen
        if quiet:
            console.print(text.number((chosen.amount_out if sell else chosen.amount_in).amount), markup=False)
            return
        result = f"{text.amount(chosen.amount_in)} → {text.amount(chosen.amount_out)} on {route.chosen_dex}"
        console.print(Text(result, style="bold"))
        text.show(console, text.quote_lines(route, wanted.side))
        limit = (
            f"at least {text.amount(route.minimum_output)}" if sell else f"at most {text.amount(route.maximum_input)}"
        )
        apart = f"{route.spread_bps} bps apart; " if route.spread_bps is not None else ""
        console.print(Text(f"{apart}{limit}; holds until {text.local_time(chosen.expires_at)}", style="dim"))

    run(work, url, token)


def tokens(*, url: Url = "", token: Bearer = "", as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Lists what can be traded."""

    async def work(client: "Client") -> None:
        if as_json:
            print_json((await client.request("GET", "/api/tokens")).text)
            return
        console = Console()
        table = Table("token", "name", "decimals", "mint", box=None, header_style="dim")
        for each in await client.tokens():
            if quiet:
                console.print(each.symbol, markup=False)
            table.add_row(each.symbol, each.name, str(each.decimals), each.mint)
        if not quiet:
            text.show(console, table)

    run(work, url, token)


def market(
    source: Annotated[str, typer.Argument(metavar="[INPUT", help="Token to pay with.")] = "SOL",
    destination: Annotated[str, typer.Argument(metavar="OUTPUT]", help="Token to receive.")] = "USDC",
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Each second anew until Ctrl-C.")] = False,
    url: Url = "",
    token: Bearer = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Shows what the market pays right now, and the newest launches of tokens. With --quiet the best price alone."""

    async def work(client: "Client") -> None:
        console = Console()
        query = {"inputToken": source, "outputToken": destination}
        while True:
            if as_json:
                answer = await client.request("GET", "/api/prices", query=query)
                write_line(escape_json(answer.text))
            else:
                price = await client.price(source, destination)
                best = text.price(price.best) if price.best is not None else "nobody trades it"
                if quiet:
                    console.print(best, markup=False)
                else:
                    venues = "  ".join(f"{each.venue} {text.price(each.price)}" for each in price.venues)
                    line = Text.assemble(f"{text.local_time(price.at)}  {source}/{destination}  ", (best, "bold"))
                    console.print(line.append(f"  {venues}", style="dim"), soft_wrap=True)
            if not watch:
                break
            await asyncio.sleep(1)
        if not as_json and not quiet:
            await _show_launches(client, console)

    run(work, url, token)


async def _show_launches(client: "Client", console: Console) -> None:
    found = await client.launches()
    table = Table("launch", "kind", "venue", "opens", "liquidity", "safe", box=None, header_style="dim")
    for each in (*found.upcoming[:5], *found.launches[:5]):
        held = f"{text.number(each.liquidity_usd)} USD"
        safe = "yes" if each.safe else "no"
        table.add_row(each.token, each.kind, each.venue, text.local_time(each.opens_at), held, safe)
    if table.row_count:
        text.show(console, table)


def health(*, url: Url = "", token: Bearer = "", as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Asks whether orders can be taken.

    Exit status: 0 they can, 1 the service says that they can't, 4 no service answers.
    """

    async def work(client: "Client") -> bool:
        state = await client.health()
        if as_json:
            import msgspec

            print_json(msgspec.json.encode(state).decode())
        elif not quiet:
            console = Console()
            for name, check in state.checks.items():
                how = f"{check.milliseconds} ms" if check.ok else (check.error or "does not answer")
                console.print(Text.assemble(("● ", "green" if check.ok else "red"), f"{name}  {how}"))
            word = "Orders can be taken" if state.ok else "No orders can be taken"
            console.print(f"{word} at {client.url} (version {state.version}).", markup=False, soft_wrap=True)
        return state.ok

    raise typer.Exit(Exit.DONE if run(work, url, token) else Exit.FAILED)
