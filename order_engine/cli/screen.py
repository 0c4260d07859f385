"""The live table of `watch`, as a Textual app. Only that command loads it."""

import asyncio
import threading
import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Footer, Input, Static

from order_engine import STEPS, Client, Event, Health, Order, OrderEngineError, StreamRefused
from order_engine.cli import text
from order_engine.cli.console import visible
from order_engine.cli.dialogs import OrderScreen, ask_to_amend, ask_to_cancel, open_logs
from order_engine.cli.signals import ENDING

_POLL_SECONDS = 1.0
_HEALTH_EVERY = 5
_RATE_WINDOW = timedelta(seconds=30)
_COLUMNS = ("TIME", "ORDER", "SIDE", "PAIR", "AMOUNT", "RECEIVED", "PRICE", "VENUE", "STAGE", "STATUS")
_NARROW_COLUMNS = ("TIME", "ORDER", "STATUS", "SIDE", "PAIR", "AMOUNT")
_WIDE = 100


def _cells(order: Order, now: datetime, *, is_wide: bool) -> list[Text]:
    """An order's row."""
    reason = f" {order.error.code.replace('_', ' ')}" if order.error and is_wide else ""
    status = Text(visible(f"{order.status}{reason}"), style=text.COLOURS.get(order.status, ""))
    time_of_day = Text(f"{order.created_at.astimezone():%H:%M:%S}", style="dim")
    name = Text(f"…{order.id[-8:]}", style="cyan")
    pair, amount = f"{order.input_token}/{order.output_token}", text.number(order.amount)
    if not is_wide:
        return [time_of_day, name, status, *(Text(visible(each)) for each in (order.side, pair, amount))]
    plain = (
        order.side,
        pair,
        amount,
        text.number(order.executed_output.amount) if order.executed_output else "",
        text.price(order.executed_price) if order.executed_price else "",
        order.chosen_dex or "",
    )
    return [time_of_day, name, *(Text(visible(each)) for each in plain), _stage(order, now), status]


def _stage(order: Order, now: datetime) -> Text:
    """How far it is, and how long it has taken."""
    took = (order.updated_at if order.is_over else now) - order.created_at
    done = STEPS.index(order.status) + 1 if order.status in STEPS else 0
    bar = Text("━" * done + "╌" * (len(STEPS) - done), style=text.COLOURS.get(order.status, "dim"))
    return bar.append(f" {max(took.total_seconds(), 0):.1f} s", style="dim")


class OrderTable(DataTable[Text]):
    """The table; its own key is named, too."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "open")]


class WatchApp(App[None]):
    """The newest orders, read once a second."""

    TITLE = "order-engine"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #state { height: auto; padding: 0 1; background: $panel; }
    #filter { dock: bottom; display: none; }
    #filter.is-open { display: block; }
    DataTable { height: 1fr; }
    VerticalScroll { padding: 1 2; }
    CancelDialog, AmendDialog { align: center middle; }
    #question { width: auto; max-width: 90%; height: auto; padding: 1 2; background: $panel; border: thick $warning; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "cancel", "cancel"),
        Binding("a", "amend", "amend"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("l", "logs", "logs"),
        Binding("q,ctrl+c", "quit", "quit"),
        Binding("escape", "clear_filter", show=False),
    ]

    def __init__(self, client: Client, *, user: str | None = None, last: int = 50) -> None:
        super().__init__()
        self._client = client
        self._user = user
        self._last = last
        self._orders: dict[str, Order] = {}
        self._health: Health | None = None
        self._error = ""
        self._refreshed_at = time.monotonic()
        self._filter = ""
        self._live = False
        self.ended_by: int | None = None  # the signal
        self._shown: tuple[str, ...] = ()
        self._shown_is_wide: bool | None = None

    def compose(self) -> ComposeResult:
        """State above, table, keys below."""
        yield Static(id="state")
        yield OrderTable(cursor_type="row", zebra_stripes=True)
        yield Input(placeholder="part of an id, pair, venue, status or user; Esc shows all", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        """Begins to read; from now on a signal, however often it comes, ends it and leaves the terminal whole."""
        if threading.current_thread() is threading.main_thread():
            for number in ENDING:
                asyncio.get_running_loop().add_signal_handler(number, self._end, number)
        self.query_one(OrderTable).focus()
        self._poll()
        if self._user is not None:
            self._follow_user(self._user)

    def _end(self, number: int) -> None:
        self.ended_by = self.ended_by or number
        self.exit()

    async def on_unmount(self) -> None:
        """Closes the connections."""
        await self._client.close()

    @work
    async def _poll(self) -> None:
        number = 0
        while True:
            if not self._live or number % _HEALTH_EVERY == 0:
                await self._refresh(with_health=number % _HEALTH_EVERY == 0)
            number += 1
            await asyncio.sleep(_POLL_SECONDS)

    @work
    async def _follow_user(self, user: str) -> None:
        """All of the user's orders through one socket; reading once a second heals what it does not bring."""
        refused = False
        while True:
            try:
                async with aclosing(self._client.follow_user(user)) as following:
                    async for frame in following:
                        self._live = True
                        if isinstance(frame, Event):
                            self._apply(frame)
            except StreamRefused as error:
                # Once: what it shows comes all the same, only later.
                if not refused:
                    sentence = f"{error.clause}. The screen looks once a second instead."
                    self.notify(visible(sentence), severity="warning", markup=False)
                refused = True
            except OrderEngineError:
                pass  # said by the next read
            self._live = False
            await asyncio.sleep(_POLL_SECONDS)

    def _apply(self, event: Event) -> None:
        """A status that the socket brought."""
        known = self._orders.get(event.order_id)
        if event.order is not None and (known is None or known.sequence < event.order.sequence):
            rest = {order_id: order for order_id, order in self._orders.items() if order_id != event.order_id}
            if known is not None:
                self._orders[event.order_id] = event.order
            else:
                self._orders = dict([(event.order_id, event.order), *rest.items()][: self._last])
            self._show()

    async def _refresh(self, *, with_health: bool) -> None:
        try:
            page = await self._client.page(user_id=self._user, limit=self._last)
            if with_health or self._error:
                self._health = await self._client.health()
            known = self._orders
            # What the socket brought meanwhile may be newer than the page.
            self._orders = {
                order.id: known[order.id] if order.id in known and known[order.id].sequence > order.sequence else order
                for order in page.orders
            }
            self._error, self._refreshed_at = "", time.monotonic()
        except OrderEngineError as error:
            self._error = visible(str(error))
        self._show()

    def _filtered_orders(self) -> list[Order]:
        part = self._filter.lower()
        return [order for order in self._orders.values() if part in _search_text(order)]

    def _show(self) -> None:
        orders = self._filtered_orders()
        self.query_one("#state", Static).update(self._state())
        table = self.query_one(OrderTable)
        is_wide = self.size.width >= _WIDE
        now = datetime.now(UTC)
        names = tuple(order.id for order in orders)
        rows = [_cells(order, now, is_wide=is_wide) for order in orders]
        if names == self._shown and is_wide == self._shown_is_wide:
            for at, row in enumerate(rows):
                for column, cell in enumerate(row):
                    table.update_cell_at(Coordinate(at, column), cell)
            return
        selected = self._selected_order()
        table.clear(columns=is_wide != self._shown_is_wide)
        if is_wide != self._shown_is_wide:
            table.add_columns(*(_COLUMNS if is_wide else _NARROW_COLUMNS))
        for name, row in zip(names, rows, strict=True):
            table.add_row(*row, key=name)
        self._shown, self._shown_is_wide = names, is_wide
        if selected is not None and selected.id in names:
            table.move_cursor(row=names.index(selected.id), animate=False)

    def _state(self) -> Text:
        address = self._client.url.partition("://")[2]
        line = Text.assemble(("order-engine ", "bold"), (address, "dim"))
        if self._error:
            age = time.monotonic() - self._refreshed_at
            return line.append(f"  ● {self._error} What you see is {age:.0f} s old.", style="bold red")
        for name, check in (self._health.checks if self._health else {}).items():
            line.append("  ● ", style="green" if check.ok else "red")
            line.append(f"{visible(name)} {check.milliseconds} ms" if check.ok else f"{visible(name)} is down")
        orders = list(self._orders.values())
        recent = sum(datetime.now(UTC) - order.created_at < _RATE_WINDOW for order in orders)
        over = [order for order in orders if order.is_over]
        failed = sum(order.status == "failed" for order in over)
        line.append(f"  in {recent / _RATE_WINDOW.total_seconds():.1f}/s  open {len(orders) - len(over)}")
        line.append(f"  failed {100 * failed // max(len(over), 1)} % of {len(over)}")
        line.append(f"  user {visible(self._user or 'all')}")
        return line.append(f"  filter {visible(self._filter)}", style="bold yellow") if self._filter else line

    def on_resize(self) -> None:
        """A narrow terminal has fewer columns."""
        if self._orders and self.is_mounted(self.query_one(OrderTable)):
            self._show()

    def _selected_order(self) -> Order | None:
        table = self.query_one(OrderTable)
        if not self._shown or table.cursor_row >= len(self._shown):
            return None
        return self._orders.get(self._shown[table.cursor_row])

    def on_data_table_row_selected(self) -> None:
        """Enter, or a click."""
        self.action_open()

    def action_open(self) -> None:
        """The details of the order under the cursor."""
        if (order := self._selected_order()) is not None:
            self.push_screen(OrderScreen(self._client, order))

    def action_cancel(self) -> None:
        """Cancels the order under the cursor, once it was asked."""
        order = self._selected_order()
        if order is None:
            return
        if order.is_over:
            self.notify(visible(f"It is over: {order.status}."), markup=False)
        else:
            ask_to_cancel(self, self._client, order)

    def action_amend(self) -> None:
        """Another limit for the order under the cursor."""
        if (order := self._selected_order()) is not None:
            ask_to_amend(self, self._client, order)

    def action_logs(self) -> None:
        """What the functions logged about the order under the cursor."""
        if (order := self._selected_order()) is not None:
            open_logs(self, order.id)

    def action_filter(self) -> None:
        """Asks for a part of what is looked for."""
        field = self.query_one("#filter", Input)
        field.add_class("is-open")
        field.focus()

    @on(Input.Changed, "#filter")
    def narrow(self, changed: Input.Changed) -> None:
        """Each letter narrows the table."""
        self._filter = changed.value
        self._show()

    @on(Input.Submitted, "#filter")
    def close_filter(self) -> None:
        """Back to the table, narrowed."""
        self.query_one("#filter", Input).remove_class("is-open")
        self.query_one(OrderTable).focus()

    def action_clear_filter(self) -> None:
        """All orders again."""
        self.query_one("#filter", Input).value = ""
        self.close_filter()


def _search_text(order: Order) -> str:
    parts = (order.id, order.input_token, f"{order.input_token}/{order.output_token}", order.side, order.status)
    return " ".join((*parts, order.chosen_dex or "", order.user_id)).lower()
