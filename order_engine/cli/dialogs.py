"""What opens above the table of `watch`: one order, its logs, and the questions before it is cancelled or amended."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from decimal import Decimal
from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Input, RichLog, Static

from order_engine import Client, Event, Order, OrderEngineError
from order_engine.cli import text
from order_engine.cli.console import visible
from order_engine.cli.program import program


class OrderScreen(Screen[None]):
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
        ask_to_cancel(self.app, self._client, self._order)

    def action_amend(self) -> None:
        """Asks for another limit."""
        ask_to_amend(self.app, self._client, self._order)

    def action_logs(self) -> None:
        """What the functions logged about it."""
        open_logs(self.app, self._order.id)

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


class CancelDialog(ModalScreen[bool]):
    """Whether an order is really to be cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "dismiss(True)", "yes"),
        Binding("n,escape,q", "dismiss(False)", "no"),
    ]

    def __init__(self, order: Order) -> None:
        super().__init__()
        self._order = order

    def compose(self) -> ComposeResult:
        with Vertical(id="question"):
            yield Static(Text(visible(f"Cancel {text.order_sentence(self._order)}?\n{self._order.id}\n\ny yes   n no")))


class AmendDialog(ModalScreen[str]):
    """Another limit for an order that rests; empty where it stays."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", "back")]

    def __init__(self, order: Order) -> None:
        super().__init__()
        self._order = order

    def compose(self) -> ComposeResult:
        with Vertical(id="question"):
            yield Static(
                Text(visible(f"Another limit for {text.order_sentence(self._order)}, Enter to send, Esc to leave it"))
            )
            yield Input(value=text.number(self._order.limit_price or Decimal(0)), id="limit")

    def on_input_submitted(self, sent: Input.Submitted) -> None:
        """Closes with what was typed."""
        sent.stop()
        self.dismiss(sent.value.strip())


class LogScreen(Screen[None]):
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
        self.action_reload()

    @work(exclusive=True)
    async def action_reload(self) -> None:
        """Reads them again."""
        lines = await asyncio.to_thread(lambda: list(self._read(self._order_id)))
        log = self.query_one(RichLog).clear()
        for line in lines or [Text(f"Nothing was logged about {self._order_id}.")]:
            log.write(Text(visible(line.plain), spans=line.spans))


def open_logs(app: App[None], order_id: str) -> None:
    """Shows what the functions logged about it, or says where that is."""
    if program.logs is None:
        app.notify("The logs are where the functions run: on AWS in CloudWatch.", severity="warning")
    else:
        app.push_screen(LogScreen(order_id, program.logs))


def ask_to_cancel(app: App[None], client: Client, order: Order) -> None:
    """Asks first, then cancels it and says how that went."""

    async def cancel() -> None:
        try:
            done = await client.cancel(order.id)
            app.notify(visible(f"{done.id} is {done.status}."), markup=False)
        except OrderEngineError as error:
            app.notify(visible(str(error)), severity="error", markup=False)

    def answered(is_sure: bool | None) -> None:
        if is_sure:
            app.run_worker(cancel())

    app.push_screen(CancelDialog(order), answered)


def ask_to_amend(app: App[None], client: Client, order: Order) -> None:
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

    if order.is_resting and order.limit_price is not None:
        app.push_screen(AmendDialog(order), answered)
    else:
        app.notify("Only a limit order that rests can be amended.")
