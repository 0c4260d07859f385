"""The live table of `watch`, as a Textual app. Only that command loads it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.coordinate import Coordinate
from textual.screen import ModalScreen, Screen
from textual.widgets import DataTable, Footer, Input, RichLog, Static

from order_engine import Client, Event, Health, Order, OrderEngineError, StreamRefused
from order_engine.cli import text
from order_engine.cli.console import visible
from order_engine.cli.program import program
from order_engine.cli.signals import ENDING

_LOOK_SECONDS = 1.0
_HEALTH_EVERY = 5
_RATE_WINDOW = timedelta(seconds=30)
_STEPS = ("pending", "routing", "building", "submitted", "confirmed")
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
    done = _STEPS.index(order.status) + 1 if order.status in _STEPS else 0
    bar = Text("━" * done + "╌" * (len(_STEPS) - done), style=text.COLOURS.get(order.status, "dim"))
    return bar.append(f" {max(took.total_seconds(), 0):.1f} s", style="dim")


class Details(Screen[None]):
    """One order: what is known of it, and its statuses as they come."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "app.pop_screen", "back"),
        Binding("c", "cancel", "cancel"),
        Binding("a", "amend", "amend"),
        Binding("l", "logs", "logs"),
    ]

    def __init__(self, client: Client, order: Order) -> None:
        super().__init__()
        self._client = client
        self._order = order
        self.events: list[Event] = []

    def compose(self) -> ComposeResult:
        """The details above, the keys below."""
        with VerticalScroll():
            yield Static(id="details")
        yield Footer()

    def on_mount(self) -> None:
        """Shows what the table knew, then follows."""
        self._show()
        self._follow()

    def action_cancel(self) -> None:
        """Asks before it cancels."""
        self.app.push_screen(Confirm(self._order), lambda sure: _cancel(self.app, self._client, self._order, sure))

    def action_amend(self) -> None:
        """Asks for another limit."""
        _ask_to_amend(self.app, self._client, self._order)

    def action_logs(self) -> None:
        """What the functions logged about it."""
        _open_logs(self.app, self._order.id)

    def _show(self) -> None:
        rows = [text.event_row(event) for event in self.events]
        self.query_one("#details", Static).update(Group(text.order_details(self._order), "", *rows))

    @work
    async def _follow(self) -> None:
        try:
            async with aclosing(self._client.follow(self._order.id)) as following:
                async for event in following:
                    self.events.append(_readable(event))
                    self._order = event.order or self._order
                    self._show()
            self._order = await self._client.get(self._order.id)
            self._show()
        except OrderEngineError as error:
            self.notify(visible(str(error)), severity="error", markup=False)


def _readable(event: Event) -> Event:
    """The event with a message that steers no terminal."""
    return Event(
        order_id=event.order_id,
        sequence=event.sequence,
        status=event.status,
        at=event.at,
        message=visible(event.message),
        meta={visible(name): visible(value) if isinstance(value, str) else value for name, value in event.meta.items()},
        order=event.order,
    )


class Confirm(ModalScreen[bool]):
    """Whether an order is really to be cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "dismiss(True)", "yes"),
        Binding("n,escape,q", "dismiss(False)", "no"),
    ]

    def __init__(self, order: Order) -> None:
        super().__init__()
        self._order = order

    def compose(self) -> ComposeResult:
        """One question."""
        with Vertical(id="question"):
            yield Static(Text(visible(f"Cancel {text.ask_of(self._order)}?\n{self._order.id}\n\ny yes   n no")))


class Amend(ModalScreen[str]):
    """Another limit for an order that rests; empty where it stays."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", "back")]

    def __init__(self, order: Order) -> None:
        super().__init__()
        self._order = order

    def compose(self) -> ComposeResult:
        """One field."""
        with Vertical(id="question"):
            yield Static(Text(visible(f"Another limit for {text.ask_of(self._order)}, Enter to send, Esc to leave it")))
            yield Input(value=text.number(self._order.limit_price or Decimal(0)), id="limit")

    def on_input_submitted(self, sent: Input.Submitted) -> None:
        """Enter."""
        sent.stop()
        self.dismiss(sent.value.strip())


class Logs(Screen[None]):
    """What the functions logged about an order."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,l", "app.pop_screen", "back"),
        Binding("r", "reload", "again"),
    ]

    def __init__(self, order_id: str, read: Callable[[str], Iterable[Text]]) -> None:
        super().__init__()
        self._order_id = order_id
        self._read = read

    def compose(self) -> ComposeResult:
        """The lines above, the keys below."""
        yield RichLog(wrap=True)
        yield Footer()

    def on_mount(self) -> None:
        """Reads them."""
        self.action_reload()

    @work(exclusive=True)
    async def action_reload(self) -> None:
        """Reads them again."""
        lines = await asyncio.to_thread(lambda: list(self._read(self._order_id)))
        log = self.query_one(RichLog).clear()
        for line in lines or [Text(f"Nothing was logged about {self._order_id}.")]:
            log.write(Text(visible(line.plain), spans=line.spans))


def _open_logs(app: App[None], order_id: str) -> None:
    if program.logs is None:
        app.notify("The logs are where the functions run: on AWS in CloudWatch.", severity="warning")
    else:
        app.push_screen(Logs(order_id, program.logs))


def _cancel(app: App[None], client: Client, order: Order, is_sure: bool | None) -> None:
    """Cancels it where the answer was yes, and says how that went."""

    async def cancel() -> None:
        try:
            done = await client.cancel(order.id)
            app.notify(visible(f"{done.id} is {done.status}."), markup=False)
        except OrderEngineError as error:
            app.notify(visible(str(error)), severity="error", markup=False)

    if is_sure:
        app.run_worker(cancel())


def _ask_to_amend(app: App[None], client: Client, order: Order) -> None:
    """Asks for another limit, and says how that went."""

    async def amend(limit: str) -> None:
        try:
            await client.amend(order.id, limit_price=limit, if_sequence=order.sequence)
            app.notify(visible(f"{order.id} rests at {limit}."), markup=False)
        except OrderEngineError as error:
            app.notify(visible(str(error)), severity="error", markup=False)

    def answered(limit: str | None) -> None:
        if limit:
            app.run_worker(amend(limit))

    if order.status == "waiting" and order.limit_price is not None:
        app.push_screen(Amend(order), answered)
    else:
        app.notify("Only a limit order that rests can be amended.")


class Orders(DataTable[Text]):
    """The table; its own key is named, too."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "open")]


class Desk(App[None]):
    """The newest orders, looked at once a second."""

    TITLE = "order-engine"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #state { height: auto; padding: 0 1; background: $panel; }
    #filter { dock: bottom; display: none; }
    #filter.is-open { display: block; }
    DataTable { height: 1fr; }
    VerticalScroll { padding: 1 2; }
    Confirm { align: center middle; }
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
        self._trouble = ""
        self._seen_at = time.monotonic()
        self._filter = ""
        self._live = False
        self.ended_by: int | None = None  # the signal
        self._shown: tuple[str, ...] = ()
        self._shown_wide: bool | None = None

    def compose(self) -> ComposeResult:
        """State above, table, keys below."""
        yield Static(id="state")
        yield Orders(cursor_type="row", zebra_stripes=True)
        yield Input(placeholder="part of an id, pair, venue, status or user; Esc shows all", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        """Begins to look; from now on a signal, however often it comes, ends it and leaves the terminal whole."""
        if threading.current_thread() is threading.main_thread():
            for number in ENDING:
                asyncio.get_running_loop().add_signal_handler(number, self._end, number)
        self.query_one(Orders).focus()
        self._look_again_and_again()
        if self._user is not None:
            self._follow_user(self._user)

    def _end(self, number: int) -> None:
        self.ended_by = self.ended_by or number
        self.exit()

    async def on_unmount(self) -> None:
        """Closes the connections."""
        await self._client.close()

    @work
    async def _look_again_and_again(self) -> None:
        number = 0
        while True:
            if not self._live or number % _HEALTH_EVERY == 0:
                await self._look(with_health=number % _HEALTH_EVERY == 0)
            number += 1
            await asyncio.sleep(_LOOK_SECONDS)

    @work
    async def _follow_user(self, user: str) -> None:
        """All of the user's orders through one socket; the look once a second heals what it does not bring."""
        refused = False
        while True:
            try:
                async with aclosing(self._client.follow_user(user)) as following:
                    async for frame in following:
                        self._live = True
                        if isinstance(frame, Event):
                            self._learn(frame)
            except StreamRefused as error:
                # Once: what it shows comes all the same, only later.
                if not refused:
                    sentence = f"{str(error).rstrip('.')}. The screen looks once a second instead."
                    self.notify(visible(sentence), severity="warning", markup=False)
                refused = True
            except OrderEngineError:
                pass  # said by the look
            self._live = False
            await asyncio.sleep(_LOOK_SECONDS)

    def _learn(self, event: Event) -> None:
        """A status that the socket brought."""
        known = self._orders.get(event.order_id)
        if event.order is not None and (known is None or known.sequence < event.order.sequence):
            rest = {order_id: order for order_id, order in self._orders.items() if order_id != event.order_id}
            if known is not None:
                self._orders[event.order_id] = event.order
            else:
                self._orders = dict([(event.order_id, event.order), *rest.items()][: self._last])
            self._show()

    async def _look(self, *, with_health: bool) -> None:
        try:
            page = await self._client.page(user_id=self._user, limit=self._last)
            if with_health or self._trouble:
                self._health = await self._client.health()
            known = self._orders
            # What the socket brought meanwhile may be newer than the page.
            self._orders = {
                order.id: known[order.id] if order.id in known and known[order.id].sequence > order.sequence else order
                for order in page.orders
            }
            self._trouble, self._seen_at = "", time.monotonic()
        except OrderEngineError as error:
            self._trouble = visible(str(error))
        self._show()

    def _visible_orders(self) -> list[Order]:
        wanted = self._filter.lower()
        return [order for order in self._orders.values() if wanted in _searched(order)]

    def _show(self) -> None:
        orders = self._visible_orders()
        self.query_one("#state", Static).update(self._state())
        table = self.query_one(Orders)
        is_wide = self.size.width >= _WIDE
        now = datetime.now(UTC)
        names = tuple(order.id for order in orders)
        rows = [_cells(order, now, is_wide=is_wide) for order in orders]
        if names == self._shown and is_wide == self._shown_wide:
            for at, row in enumerate(rows):
                for column, cell in enumerate(row):
                    table.update_cell_at(Coordinate(at, column), cell)
            return
        chosen = self._chosen()
        table.clear(columns=is_wide != self._shown_wide)
        if is_wide != self._shown_wide:
            table.add_columns(*(_COLUMNS if is_wide else _NARROW_COLUMNS))
        for name, row in zip(names, rows, strict=True):
            table.add_row(*row, key=name)
        self._shown, self._shown_wide = names, is_wide
        if chosen is not None and chosen.id in names:
            table.move_cursor(row=names.index(chosen.id), animate=False)

    def _state(self) -> Text:
        address = self._client.url.partition("://")[2]
        line = Text.assemble(("order-engine ", "bold"), (address, "dim"))
        if self._trouble:
            age = time.monotonic() - self._seen_at
            return line.append(f"  ● {self._trouble} What you see is {age:.0f} s old.", style="bold red")
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
        if self._orders and self.is_mounted(self.query_one(Orders)):
            self._show()

    def _chosen(self) -> Order | None:
        table = self.query_one(Orders)
        if not self._shown or table.cursor_row >= len(self._shown):
            return None
        return self._orders.get(self._shown[table.cursor_row])

    def on_data_table_row_selected(self) -> None:
        """Enter, or a click."""
        self.action_open()

    def action_open(self) -> None:
        """The details of the order under the cursor."""
        if (order := self._chosen()) is not None:
            self.push_screen(Details(self._client, order))

    def action_cancel(self) -> None:
        """Cancels the order under the cursor, once it was asked."""
        order = self._chosen()
        if order is None:
            return
        if order.is_over:
            self.notify(visible(f"It is over: {order.status}."), markup=False)
        else:
            self.push_screen(Confirm(order), lambda sure: _cancel(self, self._client, order, sure))

    def action_amend(self) -> None:
        """Another limit for the order under the cursor."""
        if (order := self._chosen()) is not None:
            _ask_to_amend(self, self._client, order)

    def action_logs(self) -> None:
        """What the functions logged about the order under the cursor."""
        if (order := self._chosen()) is not None:
            _open_logs(self, order.id)

    def action_filter(self) -> None:
        """Asks for a part of what is wanted."""
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
        self.query_one(Orders).focus()

    def action_clear_filter(self) -> None:
        """All orders again."""
        self.query_one("#filter", Input).value = ""
        self.close_filter()


def _searched(order: Order) -> str:
    parts = (order.id, order.input_token, f"{order.input_token}/{order.output_token}", order.side, order.status)
    return " ".join((*parts, order.chosen_dex or "", order.user_id)).lower()
