"""`order place|get|list|amend|cancel|watch`; `order` with nothing but options places one."""

import asyncio
import json
from contextlib import aclosing, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from order_engine.cli import text
from order_engine.cli.console import Console, write_line
from order_engine.cli.following import (
    OutputMode,
    event_json,
    follow_to_end,
    interrupted_sentence,
    print_when_interrupted,
)
from order_engine.cli.order_list import list_orders
from order_engine.cli.program import (
    EXITS,
    AsJson,
    Bearer,
    Exit,
    Quiet,
    Url,
    Verbose,
    fail,
    print_error,
    print_json,
    program,
    run,
    user_of,
)
from order_engine.cli.times import parse_moment

if TYPE_CHECKING:
    from order_engine import Client, NewOrder


class PlaceByDefault(TyperGroup):
    """`order --amount 2` is `order place --amount 2`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Takes options without a command for those of `place`."""
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h")):
            args = ["place", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="order",
    cls=PlaceByDefault,
    help=f"Places, shows, lists, cancels and follows orders; without a command it is place.\n\n{EXITS}",
)

Amount = Annotated[str, typer.Option(help="How much, as an exact decimal.")]
Sell = Annotated[
    bool, typer.Option("--sell/--buy", help="Spend the amount of the input token, or receive it of the other.")
]
Source = Annotated[str, typer.Option("--input", help="Token to pay with.")]
Destination = Annotated[str, typer.Option("--output", help="Token to receive.")]
Slippage = Annotated[int | None, typer.Option(help="Worst acceptable price, in hundredths of a percent.")]
Impact = Annotated[int | None, typer.Option(help="How far it may move the market, in hundredths of a percent.")]
Timeout = Annotated[float, typer.Option(min=1, help="Seconds until it gives up following.")]
Since = Annotated[
    str | None, typer.Option(help="With --user: what happened since comes first: 10m, 2h, 3d ago, or an ISO date.")
]
Limit = Annotated[
    str | None, typer.Option(help="Worst price, output for one input after fees: rests until the market gives it.")
]
Expires = Annotated[str | None, typer.Option(help="When it stops resting: in 10m, 2h, 3d, or an ISO date.")]
OrderId = Annotated[str, typer.Argument(metavar="ID", help="The order's id.", show_default=False)]


@app.command()
def place(
    *,
    amount: Amount = "1.5",
    sell: Sell = True,
    source: Source = "SOL",
    destination: Destination = "USDC",
    slippage_bps: Slippage = None,
    max_price_impact_bps: Impact = None,
    limit: Limit = None,
    fok: Annotated[bool, typer.Option("--fok", help="With --limit: fill it at once or not at all.")] = False,
    expires: Expires = None,
    snipe: Annotated[
        bool, typer.Option("--snipe", help="Rests until the token of --output is launched, and buys it then.")
    ] = False,
    user: Annotated[
        str, typer.Option(help="Whose order it is; else the token's user, or dev.", show_default=False)
    ] = "",
    wallet: Annotated[str, typer.Option(help="The wallet that trades.")] = "wallet_dev",
    client_order_id: Annotated[str | None, typer.Option(help="Your own id for it, once a user.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="One key, one order, however often it is sent; else a new one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Shows the quotes and places nothing.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Ends once it is placed.")] = False,
    timeout: Timeout = 120.0,
    url: Url = "",
    token: Bearer = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Places an order and follows it to its end, or until it rests.

    Ctrl-C ends following only. With --json the order as it ended, with --json -v each status, a line each; with --quiet
    its id.
    """
    import dataclasses

    from order_engine import Launch, NewOrder

    order = NewOrder(
        user_id=user_of(user or None, url, token),
        wallet_address=wallet,
        input_token=source,
        output_token=destination,
        side="sell" if sell else "buy",
        amount=amount,
        slippage_bps=slippage_bps,
        max_price_impact_bps=max_price_impact_bps,
        client_order_id=client_order_id,
        limit_price=limit,
        time_in_force="fok" if fok else None,
        expires_at=_moment(expires, "--expires"),
        launch=Launch() if snipe else None,
    )
    if idempotency_key is not None:
        order = dataclasses.replace(order, idempotency_key=idempotency_key)
    output = OutputMode(as_json, quiet, verbose)

    sentences: list[str] = []

    async def work(client: "Client") -> Exit:
        if dry_run:
            await _show_quote(client, order, output)
            return Exit.DONE
        sentences.append(
            f"interrupted, and the order may have been placed: {program.name} order list --user {order.user_id} "
            "--last 1 tells."
        )
        placed = await client.place(order)
        sentences.append(interrupted_sentence(placed.order_id))
        console = Console()
        if output.is_plain:
            ask = text.swap_sentence(order.side, amount, source, destination)
            console.print(Text.assemble((ask, "bold"), "  ", (placed.order_id, "cyan")), soft_wrap=True)
        if quiet:
            console.print(placed.order_id, markup=False, soft_wrap=True)
        if no_wait:
            if as_json:
                print_json(json.dumps({"orderId": placed.order_id, "websocketUrl": placed.websocket_url}))
            return Exit.DONE
        return await follow_to_end(client, placed, timeout, output, may_rest=True)

    with print_when_interrupted(sentences):
        status = run(work, url, token)
    raise typer.Exit(status)


def _moment(written: str | None, option: str) -> datetime | None:
    try:
        return parse_moment(written, datetime.now().astimezone()) if written else None
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"takes 10m, 2h, 3d or an ISO date, not {written!r}", param_hint=option) from None


@app.command()
def amend(
    order_id: OrderId,
    *,
    limit: Limit = None,
    expires: Expires = None,
    if_sequence: Annotated[
        int | None, typer.Option(help="Only if nothing has happened to it since this event.", show_default=False)
    ] = None,
    url: Url = "",
    token: Bearer = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Changes the limit or the end of an order that rests."""
    ends = _moment(expires, "--expires")
    if limit is None and ends is None:
        raise typer.BadParameter("say what to change: --limit, --expires or both")

    async def work(client: "Client") -> None:
        order = await client.amend(order_id, limit_price=limit, expires_at=ends, if_sequence=if_sequence)
        if as_json:
            print_json((await client.request("GET", order_path(order_id))).text)
        elif not quiet:
            text.show(Console(), text.order_details(order))

    from order_engine.transport import order_path

    run(work, url, token)


async def _show_quote(client: "Client", order: "NewOrder", output: OutputMode) -> None:
    from order_engine import Swap

    if output.as_json:
        print_json((await client.request("POST", "/api/quotes", body=Swap.body(order))).text)
        return
    route = await client.quote(order)
    console = Console()
    if output.quiet:
        got = route.chosen.amount_out if order.side == "sell" else route.chosen.amount_in
        console.print(text.number(got.amount), markup=False)
        return
    ask = text.swap_sentence(order.side, str(order.amount), order.input_token, order.output_token)
    console.print(Text.assemble((ask, "bold"), "  nothing is placed"))
    text.show(console, text.quote_lines(route, order.side))
    if output.verbose:
        console.print(json.dumps(order.body(), indent=2), markup=False, soft_wrap=True)


def _past_moment(written: str | None, option: str) -> datetime | None:
    now = datetime.now().astimezone()
    moment = _moment(written, option)
    # What is so far ahead is as far back.
    return now - (moment - now) if moment is not None and moment > now else moment


async def _watch_user(
    client: "Client", user: str, since: datetime | None, seconds: float | None, output: OutputMode
) -> None:
    """A line for each status of each of the user's orders, for as long as was asked for."""
    from order_engine import Event

    console = Console()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), aclosing(client.follow_user(user, since=since)) as following:
            async for frame in following:
                if isinstance(frame, Event):
                    if output.as_json:
                        write_line(json.dumps(event_json(frame), separators=(",", ":")))
                    elif output.quiet:
                        write_line(f"{frame.order_id} {frame.sequence} {frame.status}")
                    else:
                        line = Text.assemble((f"…{frame.order_id[-8:]} ", "cyan"), text.event_line(frame))
                        console.print(line, markup=False, soft_wrap=True)
                elif output.is_plain:
                    more = " and more" if frame.more else ""
                    console.print(Text(f"{user} has {len(frame.open)}{more} open", style="dim"), soft_wrap=True)


@app.command()
def watch(
    order_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="The order's id.", show_default=False)] = None,
    *,
    user: Annotated[
        str | None, typer.Option(help="Follows all orders of this user instead, until Ctrl-C.", show_default=False)
    ] = None,
    since: Since = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds until it gives up following; 120 for one order.", show_default=False),
    ] = None,
    url: Url = "",
    token: Bearer = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Follows an order to its end, from wherever it is, or all orders of a user.

    Of one order output and exit status are those of place. Of a user each status is a line: with --json an object, with
    --quiet its order, sequence and status.
    """
    output = OutputMode(as_json, quiet, verbose)
    if (order_id is None) == (user is None) or (since is not None and user is None):
        raise typer.BadParameter("takes an order's ID, or --user with or without --since")
    if user is not None:
        moment = _past_moment(since, "--since")
        run(lambda client: _watch_user(client, user, moment, timeout, output), url, token)
        return
    assert order_id is not None  # noqa: S101 - said above

    async def work(client: "Client") -> Exit:
        if output.is_plain:
            order = await client.get(order_id)
            title = Text.assemble((text.order_sentence(order), "bold"), "  ", (order.id, "cyan"))
            Console().print(title, soft_wrap=True)
        return await follow_to_end(client, order_id, timeout or 120.0, output)

    with print_when_interrupted([interrupted_sentence(order_id)]):
        status = run(work, url, token)
    raise typer.Exit(status)


@app.command()
def get(
    order_id: OrderId,
    *,
    url: Url = "",
    token: Bearer = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Shows an order as it now is; with -v its whole history too, with --quiet only its status."""

    from order_engine.transport import order_path

    async def work(client: "Client") -> None:
        if as_json:
            print_json((await client.request("GET", order_path(order_id))).text)
            return
        order = await client.get(order_id)
        console = Console()
        if quiet:
            console.print(order.status, markup=False)
            return
        text.show(console, text.order_details(order))
        if verbose:
            for event in await client.events(order_id):
                console.print(text.event_row(event) if console.is_terminal else text.event_line(event), soft_wrap=True)

    run(work, url, token)


app.command("list")(list_orders)


@app.command()
def cancel(
    order_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The orders' ids.", show_default=False)],
    *,
    url: Url = "",
    token: Bearer = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Cancels orders, which works until their transactions are signed and may be repeated.

    Of several it tries all; the exit status is that of the first that was refused.
    """
    from order_engine import Refused
    from order_engine.transport import order_path

    async def work(client: "Client") -> "Refused | None":
        first = None
        for order_id in order_ids:
            try:
                if as_json:
                    print_json((await client.request("POST", f"{order_path(order_id)}/cancel")).text)
                    continue
                order = await client.cancel(order_id)
            except Refused as error:
                if len(order_ids) > 1:
                    print_error(f"{order_id}: {error}")
                first = first or error
                continue
            if not quiet:
                line = Text.assemble((order.id, "cyan"), "  ", text.status_text(order.status))
                Console().print(line, soft_wrap=True)
        return first

    refused = run(work, url, token)
    if refused is not None:
        if len(order_ids) == 1:
            fail(refused)
        raise typer.Exit(Exit.REFUSED)
