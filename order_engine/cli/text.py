"""Orders, quotes and events as lines for people."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from rich.table import Table
from rich.text import Text

from order_engine.cli.console import Console
from order_engine.models import Amount, Event, Order, Route

COLOURS: Final = {
    "pending": "cyan",
    "routing": "blue",
    "building": "magenta",
    "submitted": "yellow",
    "confirmed": "green",
    "failed": "red",
    "cancelled": "bright_black",
    "waiting": "bright_blue",
    "expired": "bright_black",
}
_META_LENGTH = 100
_PRICE_DIGITS = 8
_FILE_COLUMNS = 250


def show(console: Console, table: Table) -> None:
    """The table: as wide as the terminal, or for a file as wide as it is, with nothing at its lines' ends."""
    if console.is_terminal:
        console.print(table)
        return
    wide = Console(width=_FILE_COLUMNS)
    with wide.capture() as captured:
        wide.print(table)
    for line in captured.get().splitlines():
        console.print(line.rstrip(), markup=False, soft_wrap=True)


def number(value: Decimal) -> str:
    """Exact, without an exponent and without zeros at its end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def price(value: Decimal) -> str:
    """To eight digits: a price has as many as a division leaves, and its trader reads the first."""
    return number(Decimal(f"{value:.{_PRICE_DIGITS}g}"))


def amount(value: Amount) -> str:
    """`1.5 SOL`."""
    return f"{number(value.amount)} {value.token}"


def swap_sentence(side: str, how_much: str, source: str, destination: str) -> str:
    """`Sell 1.5 SOL → USDC`, `Buy 250 USDC ← SOL`: the token that the amount counts stands beside it."""
    if side == "buy":
        return f"Buy {how_much} {destination} ← {source}"
    return f"Sell {how_much} {source} → {destination}"


def order_sentence(order: Order) -> str:
    """What the order is for."""
    return swap_sentence(order.side, number(order.amount), order.input_token, order.output_token)


def status_text(status: str) -> Text:
    """A status in its colour."""
    return Text(status, style=COLOURS.get(status, ""))


def duration_text(duration: timedelta) -> str:
    """`3.4 s`, `2 min 5 s`."""
    total = duration.total_seconds()
    return f"{total:.1f} s" if total < 60 else f"{total // 60:.0f} min {total % 60:.0f} s"


def time_of_day(moment: datetime) -> str:
    """The local time of day, to the millisecond."""
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3]


def local_time(moment: datetime) -> str:
    """The local time, with the day where it is another."""
    local = moment.astimezone()
    return f"{local:%H:%M:%S}" if local.date() == datetime.now(local.tzinfo).date() else f"{local:%Y-%m-%d %H:%M:%S}"


def outcome(order: Order) -> list[Text]:
    """How an order ended: what happened, and what to think or do about it."""
    took = duration_text(order.updated_at - order.created_at)
    first = Text.assemble(status_text(order.status), f" after {took}")
    if order.status == "confirmed" and order.executed_input and order.executed_output and order.executed_price:
        pair = f"{order.output_token} per {order.input_token}"
        first = Text.assemble(status_text(order.status), f" in {took}: {amount(order.executed_input)} for ")
        first.append(f"{amount(order.executed_output)} at {price(order.executed_price)} {pair}")
        return [first, Text(", ".join(_quality(order)), style="dim")]
    if order.error:
        first.append(f": {order.error.message}")
        again = "Placing it again may work." if order.error.retryable else "Placing it again as it is will not work."
        return [first, Text(f"{again} Nothing was exchanged.", style="dim")]
    if order.is_resting:
        return [Text.assemble(status_text(order.status), f": {order_sentence(order)} rests")]
    if order.is_over:
        first.append(": nothing was exchanged")
    return [first]


def _quality(order: Order) -> list[str]:
    parts = []
    if order.below_quote_bps is not None:
        bps = order.below_quote_bps
        limit = f" (limit {order.slippage_bps})" if order.slippage_bps is not None else ""
        beside = "at the quote" if not bps else f"{number(abs(bps))} bps {'below' if bps > 0 else 'above'} the quote"
        parts.append(f"{beside}{limit}")
    if order.fee:
        parts.append(f"fee {amount(order.fee)}")
    if order.tx_hash:
        parts.append(f"transaction {order.tx_hash}")
    return parts


def event_row(event: Event) -> Table:
    """One status with its details; what is too long for the terminal goes on in its own column."""
    row = Table.grid(padding=(0, 1))
    row.add_column(no_wrap=True, style="dim")
    row.add_column(no_wrap=True, min_width=9)
    row.add_column(overflow="fold")
    row.add_row(time_of_day(event.at), status_text(event.status), event_text(event))
    return row


def event_line(event: Event) -> Text:
    """One status in one line, for a file or another program."""
    line = Text.assemble(f"{time_of_day(event.at)} {event.status:<10}", event.message)
    for name, value in details(event.meta).items():
        line.append(f"; {name} {value}")
    return line


def event_text(event: Event) -> Text:
    """What happened and its details, a line each."""
    text = Text(event.message)
    for name, value in details(event.meta).items():
        text.append(f"\n{name} {value}", style="dim")
    return text


def details(meta: Mapping[str, object]) -> dict[str, str]:
    """The details that are one value, in words: `finalExecutionPrice` is `final execution price`."""
    found = {}
    for name, value in meta.items():
        if isinstance(value, dict) and {"amount", "token"} <= value.keys():
            found[_words(name)] = f"{value['amount']} {value['token']}"
        elif isinstance(value, str | int | float) and name != "reason":
            text = str(value)
            # A transaction's hash has 88 characters, and half of one is of no use.
            found[_words(name)] = text if len(text) <= _META_LENGTH else f"{text[: _META_LENGTH - 1]}…"
    return found


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower().replace("tx hash", "transaction")


def order_details(order: Order) -> Table:
    """Everything about an order that is known."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    pair = f"{order.output_token} per {order.input_token}"
    rows: list[tuple[str, str | Text | None]] = [
        ("order", order.id),
        ("status", status_text(order.status)),
        ("what", order_sentence(order)),
        ("user", order.user_id),
        ("wallet", order.wallet_address),
        ("own id", order.client_order_id),
        ("type", order.order_type if order.order_type != "market" else None),
        ("limit", f"{price(order.limit_price)} {pair}" if order.limit_price else None),
        ("in force", order.time_in_force),
        ("until", local_time(order.expires_at) if order.expires_at else None),
        ("placed", local_time(order.created_at)),
        ("changed", local_time(order.updated_at)),
        ("attempt", f"{order.attempts} of {order.max_attempts}" if order.max_attempts else None),
        ("venue", order.chosen_dex),
        ("quoted", f"{number(order.expected_output)} {order.output_token}" if order.expected_output else None),
        ("at least", f"{number(order.minimum_output)} {order.output_token}" if order.minimum_output else None),
        ("at most", f"{number(order.maximum_input)} {order.input_token}" if order.maximum_input else None),
        ("paid", amount(order.executed_input) if order.executed_input else None),
        ("received", amount(order.executed_output) if order.executed_output else None),
        ("price", f"{price(order.executed_price)} {pair}" if order.executed_price else None),
        ("slippage", ", ".join(_quality(order)[:1]) if order.below_quote_bps is not None else None),
        ("fee", amount(order.fee) if order.fee else None),
        ("transaction", order.tx_hash),
        ("reason", order.error.message if order.error else None),
    ]
    for name, value in rows:
        if value is not None:
            table.add_row(name, value)
    return table


def quote_lines(route: Route, side: str) -> Table:
    """Every venue's quote, the chosen one first."""
    table = Table.grid(padding=(0, 2))
    for _ in range(4):
        table.add_column(overflow="fold")
    first = route.quotes[0]
    pair = f"{first.amount_out.token} per {first.amount_in.token}"
    for quote in sorted(route.quotes, key=lambda each: each.venue != route.chosen_dex):
        got = amount(quote.amount_out) if side == "sell" else f"for {amount(quote.amount_in)}"
        table.add_row(
            Text(quote.venue, style="bold" if quote.venue == route.chosen_dex else ""),
            got,
            f"{price(quote.effective_price)} {pair}",
            Text(f"impact {number(quote.price_impact_pct)} %, fee {amount(quote.fee)}", style="dim"),
        )
    for missing in route.unavailable:
        table.add_row(missing.venue, Text(missing.message, style="red"), "", "")
    return table
