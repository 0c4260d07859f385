"""Truth: what the desk shows is so, or it says that it may not be."""

import json
import re
from functools import partial
from typing import Any

from tests.browser.conftest import Desk, Opened, answered


def statuses(one: Desk) -> list[str]:
    return [str(text) for text in one.page.locator(".bar-row .status").all_inner_texts()]


WHOLE = ["pending", "routing", "building", "submitted", "confirmed"]


def test_without_a_network_it_says_so_and_heals_without_a_gap(desk: Opened) -> None:
    one = desk()
    one.page.wait_for_selector(".health.good")
    one.place()
    one.page.context.set_offline(True)
    one.page.wait_for_selector(".health.bad >> text=offline")
    assert one.page.inner_text(".outage").startswith("The service can't be reached")
    assert "offline" in one.page.inner_text(".orders .link")
    one.press()
    assert len(one.posts) == 1
    one.page.wait_for_timeout(2_500)  # meanwhile the order ends
    one.page.context.set_offline(False)
    one.ends()
    one.page.wait_for_selector(".outage", state="detached")
    assert statuses(one) == WHOLE
    one.page.wait_for_selector(".orders .link >> text=/^live$/")
    one.ready()


def test_all_orders_of_the_trader_come_over_one_socket(desk: Opened) -> None:
    one = desk(address=None)
    sockets: list[Any] = []
    said: list[str] = []

    def opened(socket: Any) -> None:
        sockets.append(socket)
        socket.on("framesent", lambda payload: said.append(str(payload)))

    one.page.on("websocket", opened)
    one.open()
    user: str = desk.user  # type: ignore[attr-defined]
    one.place()
    elsewhere = {"userId": user, "walletAddress": "w", "inputToken": "SOL", "outputToken": "USDC", "side": "sell"}
    placed = one.page.request.post(f"{one.url}api/orders/execute", data={**elsewhere, "amount": "2"}).json()
    one.ends()
    one.page.wait_for_selector(f".row:has(a[title={placed['orderId']}]) .pill.confirmed")
    (first,) = sockets
    assert f"userId={user}" in first.url
    assert said == []
    # Another trader's orders are followed instead once he is named.
    one.page.fill("#user", f"{user}-2")
    one.page.wait_for_timeout(1_500)
    assert f"userId={user}-2" in sockets[-1].url
    assert len(sockets) == 2


def test_a_connection_that_breaks_in_mid_order_is_made_again(desk: Opened) -> None:
    one = desk(address=None)
    sockets: list[Any] = []

    def relay(socket: Any) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    one.page.route_web_socket(re.compile(r"(userId|orderId)="), relay)
    one.open().place()
    one.page.wait_for_selector(".bar-row")
    sockets[-1].close()
    one.ends()
    assert statuses(one) == WHOLE


def test_without_websockets_it_polls_and_says_so(desk: Opened) -> None:
    one = desk(address=None)
    one.page.route_web_socket(re.compile(r"(userId|orderId)="), lambda socket: socket.close())
    one.open().place()
    one.ends()
    assert statuses(one) == WHOLE
    one.page.click("text=Buy SOL")
    one.place()
    one.page.wait_for_selector("text=no WebSocket: asking every 2 s")
    one.ends()


def test_an_order_has_an_address_that_survives_and_can_be_sent(desk: Opened) -> None:
    one = desk()
    order_id = one.place()
    one.ends()
    sentence = one.page.inner_text(".order .sentence")
    one.page.reload()
    one.ends()
    assert one.page.inner_text(".order .sentence") == sentence
    assert one.page.input_value("#user") == desk.user  # type: ignore[attr-defined]
    colleague = desk(address=f"#/orders/{order_id}")
    colleague.ends()
    assert colleague.page.inner_text(".order .sentence") == sentence
    unknown = desk(address=f"#/orders/ord_{'0' * 32}")
    unknown.page.wait_for_selector("text=There is no order of this id here")


def test_tabs_agree(desk: Opened) -> None:
    one = desk()
    other = desk(context=one.page.context)
    other.page.wait_for_selector("text=No orders yet.")
    order_id = one.place()
    other.page.wait_for_selector(f".row:has(a[title={order_id}]) .pill.confirmed")
    one.page.wait_for_selector(f".row:has(a[title={order_id}]) .pill.confirmed")
    one.ends()


def fulfil(answer: object, route: Any) -> None:
    route.fulfill(json=answer)


def test_a_retry_s_times_are_its_own(desk: Opened) -> None:
    one = desk()
    order_id = one.place()
    one.ends()
    order = one.page.request.get(f"{one.url}api/orders/{order_id}").json()
    rows = [("pending", 1, 0), ("routing", 1, 1), ("building", 1, 3), ("routing", 2, 7), ("failed", 2, 9)]
    events = [
        {"status": status, "attempt": attempt, "at": f"2026-11-26T12:00:0{second}.000Z", "message": "A message."}
        | {"orderId": order_id, "sequence": sequence, "meta": {}}
        for sequence, (status, attempt, second) in enumerate(rows, 1)
    ]
    error = {"code": "slippage_exceeded", "message": "The price moved past the limit.", "retryable": True}
    failed = {**order, "status": "failed", "error": error, "executedOutput": None, "attempts": 2}
    another = desk(address=None)
    answers = {
        rf"/api/orders/{order_id}$": failed,
        rf"/api/orders/{order_id}/events$": {"orderId": order_id, "events": events},
        r"/api/orders\?": {"orders": [], "nextCursor": None},
    }
    for pattern, answer in answers.items():
        another.page.route(re.compile(pattern), partial(fulfil, answer))
    another.open(f"#/orders/{order_id}")
    another.ends("failed")
    another.page.wait_for_selector("text=Attempt 2")
    took = another.page.locator(".bar-row .took").all_inner_texts()
    assert took == ["1.00 s", "2.00 s", "4.00 s", "2.00 s", "at 9.00 s"]
    said = another.page.inner_text(".order .warning.red")
    assert "Allow more slippage" in said
    assert another.page.locator("text=Same again").count() == 1


def test_cancel_is_offered_until_the_signature_and_its_refusal_stands_with_the_order(desk: Opened) -> None:
    one = desk()
    refusal = {"code": "not_cancellable", "title": "x", "type": "x", "status": 409, "detail": "The order is submitted."}
    with answered(one.page, "**/cancel", lambda route: route.fulfill(status=409, json=refusal)):
        one.place()
        one.page.click(".order button:has-text('Cancel')")
        one.page.wait_for_selector(".order .warning >> text=Too late to cancel")
        assert one.page.locator(".ticket .warning").count() == 0
        assert one.page.evaluate("document.activeElement.id") == "order-title"
    one.ends()
    assert one.page.locator(".order .warning").count() == 0
    assert one.page.locator(".order button:has-text('Cancel')").count() == 0


def test_the_csv_holds_no_formula(desk: Opened) -> None:
    one = desk(form={"wallet": '=HYPERLINK("http://x","y")'})
    one.place()
    one.ends()
    with one.page.expect_download() as saved:
        one.page.click("text=CSV")
    text = saved.value.path().read_text(encoding="utf-8-sig")
    assert '''"'=HYPERLINK(""http://x"",""y"")"''' in text
    assert text.count("\n") == 2


def test_raw_frames_and_the_order_can_be_copied(desk: Opened) -> None:
    one = desk()
    one.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    order_id = one.place()
    one.ends()
    one.page.click("text=For programs")
    one.page.click("[aria-label='Copy the order as JSON']")
    assert json.loads(one.page.evaluate("navigator.clipboard.readText()"))["id"] == order_id
    assert f'"orderId":"{order_id}"' in one.page.inner_text("pre.frames")
