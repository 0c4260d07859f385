"""The live screen of `watch`, driven as by a keyboard."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import DataTable, RichLog, Static

from order_engine import Client, Event
from order_engine.cli.dialogs import AmendDialog, CancelDialog, LogScreen, OrderScreen
from order_engine.cli.program import program
from order_engine.cli.screen import WatchApp
from tests.fakes.service import ID, Service, order

SIZE = (120, 24)


@asynccontextmanager
async def desk(client: Client, size: tuple[int, int] = SIZE) -> AsyncIterator[Pilot[None]]:
    """The screen, once it has looked at the orders."""
    async with WatchApp(client).run_test(size=size) as pilot:
        await until(pilot, lambda: pilot.app.query_one(DataTable).row_count > 0 or "can't be reached" in state(pilot))
        yield pilot


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    for _ in range(200):
        if holds():
            return
        await pilot.pause(0.05)
    pytest.fail(f"it never came true; the screen says {state(pilot)!r}")


def state(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen_stack[0].query_one("#state", Static).render())


def rows(pilot: Pilot[None]) -> list[list[str]]:
    table = pilot.app.screen_stack[0].query_one(DataTable)
    return [[str(cell) for cell in table.get_row_at(at)] for at in range(table.row_count)]


async def test_orders_stand_in_a_table_with_what_became_of_them(service: Service, client: Client) -> None:
    service.placed = [{}]
    async with desk(client) as pilot:
        (row,) = rows(pilot)
        assert row[1:8] == [f"…{ID[-8:]}", "sell", "SOL/USDC", "1.5", "250.23951", "166.82634", "raydium"]
        assert row[8:] == ["━━━━━ 4.0 s", "confirmed"]
        assert "database 1 ms" in state(pilot)
        assert "open 0  failed 0 % of 1" in state(pilot)


async def test_a_row_changes_with_its_order(service: Service, client: Client) -> None:
    service.placed, service.statuses = [{}], ("pending",)
    async with desk(client) as pilot:
        assert rows(pilot)[0][-1] == "pending"
        service.statuses = ("pending", "failed")
        service.view = order("failed")
        await until(pilot, lambda: rows(pilot)[0][-1] == "failed")
        assert "failed 100 % of 1" in state(pilot)


async def test_of_one_user_every_order_comes_through_one_socket(service: Service, client: Client) -> None:
    service.statuses = ("pending",)
    service.view = order("confirmed", sequence=1)
    async with WatchApp(client, user="dev").run_test(size=SIZE) as pilot:
        await until(pilot, lambda: len(service.connections) == 1)
        assert "userId=dev" in service.connections[0]
        desk = pilot.app
        assert isinstance(desk, WatchApp)
        await until(pilot, lambda: desk._live)
        newest = {**service.event(1), "type": "status", "order": order("confirmed", sequence=1)}
        desk._apply(msgspec.convert(newest, Event, strict=False))
        assert rows(pilot)[0][-1] == "confirmed"
        looked = service.calls.count("GET /api/orders")
        await pilot.pause(1.5)
        assert service.calls.count("GET /api/orders") <= looked + 1


async def test_a_refused_stream_is_said_once_and_the_screen_goes_on(service: Service, client: Client) -> None:
    service.placed, service.has_streams = [{}], False
    async with WatchApp(client, user="dev").run_test(size=SIZE) as pilot:
        await until(pilot, lambda: len(service.connections) > 2 and pilot.app.query_one(DataTable).row_count > 0)
        (said,) = [str(each.message) for each in pilot.app._notifications]
        assert "refuses the stream (403 Forbidden)" in said
        assert said.endswith("The screen looks once a second instead.")


async def test_enter_opens_the_details_and_follows_the_order(service: Service, client: Client) -> None:
    service.placed = [{}]
    async with desk(client) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, OrderScreen) and len(pilot.app.screen.events) == 5)
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, OrderScreen)


async def test_c_cancels_after_a_yes_only(service: Service, client: Client) -> None:
    service.placed, service.statuses = [{}], ("pending",)
    async with desk(client) as pilot:
        await pilot.press("c")
        await until(pilot, lambda: isinstance(pilot.app.screen, CancelDialog))
        await pilot.press("n")
        await pilot.press("c")
        assert f"POST /api/orders/{ID}/cancel" not in service.calls
        await pilot.press("y")
        await until(pilot, lambda: f"POST /api/orders/{ID}/cancel" in service.calls)
        await until(pilot, lambda: rows(pilot)[0][-1] == "cancelled")


async def test_a_slash_filters_and_escape_shows_all(service: Service, client: Client) -> None:
    service.placed = [{}]
    async with desk(client) as pilot:
        await pilot.press("slash", *"meteora", "enter")
        assert rows(pilot) == []
        assert "filter meteora" in state(pilot)
        await pilot.press("escape")
        assert len(rows(pilot)) == 1


async def test_l_shows_what_was_logged_where_this_machine_has_it(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.placed = [{}]
    async with desk(client) as pilot:
        await pilot.press("l")
        assert not isinstance(pilot.app.screen, LogScreen)
        monkeypatch.setattr(program, "logs", lambda order_id: [Text(f"about {order_id}\x1b[31m")])
        await pilot.press("l")
        await until(pilot, lambda: len(pilot.app.screen.query(RichLog)) == 1)
        log = pilot.app.screen.query_one(RichLog)
        await until(pilot, lambda: bool(log.lines))
        assert f"about {ID}" in log.lines[0].text
        assert "\x1b" not in log.lines[0].text


async def test_a_service_that_is_gone_is_said_at_once_and_heals(service: Service, client: Client) -> None:
    service.placed = [{}]
    async with desk(client) as pilot:
        address, client.url = client.url, "http://127.0.0.1:1"
        await until(pilot, lambda: "nothing listens there" in state(pilot))
        assert len(rows(pilot)) == 1
        client.url = address
        await until(pilot, lambda: "database 1 ms" in state(pilot))


async def test_a_narrow_terminal_has_fewer_columns(service: Service, client: Client) -> None:
    service.placed = [{}]
    async with desk(client, (40, 12)) as pilot:
        assert rows(pilot)[0][1:] == [f"…{ID[-8:]}", "confirmed", "sell", "SOL/USDC", "1.5"]
        await pilot.resize_terminal(120, 24)
        await until(pilot, lambda: len(rows(pilot)[0]) == 10)


async def test_text_of_the_server_steers_no_terminal(service: Service, client: Client) -> None:
    service.placed, service.view = [{}], order(inputToken="\x1b[31m\u202eS")
    async with desk(client) as pilot:
        assert not set(str(rows(pilot))) & {"\x1b", "\u202e"}


async def test_a_amends_what_rests_and_nothing_else(service: Service, client: Client) -> None:
    service.placed, service.view = [{}], order("waiting", orderType="limit", limitPrice="170")
    async with desk(client) as pilot:
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, AmendDialog))
        await pilot.press("1", "7", "1", "enter")
        await until(pilot, lambda: service.amended == [{"limitPrice": "171", "ifSequence": 5}])
        service.view = order("confirmed")
        await until(pilot, lambda: rows(pilot)[0][-1] == "confirmed")
        await pilot.press("a")
        assert not isinstance(pilot.app.screen, AmendDialog)
