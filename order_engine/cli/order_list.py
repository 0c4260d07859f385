"""`order list`: a table, cards on a narrow terminal, tabs where nobody looks, or JSON."""

from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from order_engine.cli import text
from order_engine.cli.console import Console, visible, write_line
from order_engine.cli.program import AsJson, Bearer, Quiet, Url, escape_json, print_error, program, run

if TYPE_CHECKING:
    from order_engine import Client, Order

_WIDE_COLUMNS = 110
_STATUSES = tuple(text.COLOURS)


def _complete_status(incomplete: str) -> list[str]:
    return [status for status in _STATUSES if status.startswith(incomplete)]


def list_orders(
    *,
    user: Annotated[str | None, typer.Option(help="Only this user's.")] = None,
    status: Annotated[
        str | None, typer.Option(help=f"Only those that are {', '.join(_STATUSES)}.", autocompletion=_complete_status)
    ] = None,
    order_type: Annotated[
        str | None, typer.Option("--type", help="Only market, limit or sniper orders.", show_default=False)
    ] = None,
    venue: Annotated[str | None, typer.Option(help="Only those routed there.")] = None,
    source: Annotated[str | None, typer.Option("--input", help="Only those that pay with this token.")] = None,
    destination: Annotated[str | None, typer.Option("--output", help="Only those that receive it.")] = None,
    client_order_id: Annotated[str | None, typer.Option(help="The one with your own id.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Placed then (local time) or later.")] = None,
    before: Annotated[datetime | None, typer.Option(help="Placed before that (local time).")] = None,
    limit: Annotated[int, typer.Option("--limit", "--last", "-n", min=1, help="How many at most.")] = 20,
    url: Url = "",
    token: Bearer = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Lists orders, newest first; with --json one a line, with --quiet their ids.

    Where the output is no terminal, its columns are separated by tabs: id, time, side, input, output, amount, received,
    price, venue, status.
    """

    program.user = user

    async def work(client: "Client") -> None:
        filters = {
            "user_id": user,
            "client_order_id": client_order_id,
            "status": status,
            "order_type": order_type,
            "venue": venue,
            "input_token": source,
            "output_token": destination,
            "placed_from": _zoned(since),
            "placed_before": _zoned(before),
        }
        console = Console()
        if as_json:
            await _print_each(client, limit, filters)
            return
        async with aclosing(client.orders(at_most=limit, **filters)) as listed:
            orders = [order async for order in listed]
        if quiet:
            for order in orders:
                console.print(order.id, markup=False, soft_wrap=True)
        elif not console.is_terminal:
            for order in orders:
                write_line("\t".join(visible(column).replace("\t", " ") for column in _columns(order)))
        elif not orders:
            print_error("No such orders.")
        else:
            console.print(_table(orders) if console.width >= _WIDE_COLUMNS else _cards(orders))

    run(work, url, token)


def _zoned(moment: datetime | None) -> datetime | None:
    """The local time, with its zone."""
    try:
        return moment.astimezone() if moment else None
    except (OverflowError, ValueError):  # the first or last day that there is
        return moment.replace(tzinfo=UTC) if moment else None


async def _print_each(client: "Client", limit: int, filters: Mapping[str, str | datetime | None]) -> None:
    """The service's own JSON of each order, one a line."""
    import msgspec

    class RawPage(msgspec.Struct, rename="camel"):
        orders: list[msgspec.Raw]
        next_cursor: str | None = None

    cursor: str | None = None
    while limit > 0:
        query = {_camel(name): value for name, value in filters.items()}
        answer = await client.request("GET", "/api/orders", query={**query, "limit": min(limit, 200), "cursor": cursor})
        page = msgspec.json.decode(answer.text, type=RawPage)
        for order in page.orders:
            write_line(escape_json(bytes(order).decode()))
        limit -= len(page.orders)
        cursor = page.next_cursor
        if cursor is None:
            return


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)


def _columns(order: "Order") -> tuple[str, ...]:
    return (
        order.id,
        order.created_at.isoformat(timespec="milliseconds"),
        order.side,
        order.input_token,
        order.output_token,
        text.number(order.amount),
        text.amount(order.executed_output) if order.executed_output else "",
        text.number(order.executed_price) if order.executed_price else "",
        order.chosen_dex or "",
        order.status,
    )


def _table(orders: "list[Order]") -> Table:
    table = Table(
        "placed",
        "order",
        "side",
        "pair",
        "amount",
        "received",
        "price",
        "venue",
        "status",
        box=None,
        header_style="dim",
    )
    for order in orders:
        table.add_row(
            text.local_time(order.created_at),
            Text(order.id, style="cyan", no_wrap=True),
            order.side,
            f"{order.input_token}/{order.output_token}",
            text.number(order.amount),
            text.amount(order.executed_output) if order.executed_output else "",
            text.price(order.executed_price) if order.executed_price else "",
            order.chosen_dex or "",
            text.status_text(order.status),
        )
    return table


def _cards(orders: "list[Order]") -> Text:
    """Two lines an order, for a narrow terminal."""
    lines = Text()
    for order in orders:
        lines.append(f"{order.id}\n", style="cyan")
        lines.append_text(Text.assemble("  ", text.status_text(order.status), f"  {text.order_sentence(order)}\n"))
    lines.rstrip()
    return lines
