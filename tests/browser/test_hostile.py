"""Texts of traders and venues that would be markup, code or a turned line: shown as they are, run by nothing."""

import time
from typing import Any

import psycopg
import pytest

from localstack.local_stack.processes import wait_until
from localstack.local_stack.stack_for_tests import Stack
from tests.browser.conftest import Desk, Opened

LIMIT_SECONDS = 60
HOSTILE = (
    "<img src=x onerror=window.ran=1>", '"><script>window.ran=1</script>', "javascript:window.ran=1",
    "</script></title><svg onload=window.ran=1>", "{{7*7}}${7*7}<%= 7*7 %>", "\u202egnp.exe",
)  # fmt: skip
# As a venue's refusal would have ended the order.
REFUSED = """
UPDATE orders SET status = 'failed', error_code = 'no_quote', error_message = %(text)s, error_retryable = true
WHERE id = %(id)s
"""
TOLD = """
UPDATE order_events SET status = 'failed', message = %(text)s
WHERE order_id = %(id)s AND sequence = (SELECT sequence FROM orders WHERE id = %(id)s)
"""
STREAMED = """url => new Promise((resolve, reject) => {
  const frames = [], socket = new WebSocket(url);
  socket.onerror = reject;
  socket.onmessage = ({data}) => {
    frames.push(JSON.parse(data));
    if (frames.at(-1).status === "failed") resolve(frames);
  };
})"""


def place(one: Desk, user: str, text: str) -> dict[str, Any]:
    """An order of the user, with the text in what he gives with it."""
    order = {"userId": user, "walletAddress": text, "clientOrderId": f"{text}{time.time_ns()}"}
    order |= {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5", "side": "sell"}
    answer = one.page.request.post(f"{one.url}api/orders/execute", data=order)
    assert answer.status == 202, answer.text()
    placed: dict[str, Any] = answer.json()
    return placed


def end(one: Desk, stack: Stack, order_id: str, text: str) -> None:
    """Waits for the order's end and makes it one that a venue brought about, with this text."""

    def is_over() -> bool:
        return one.page.request.get(f"{one.url}api/orders/{order_id}").json()["status"] in ("confirmed", "failed")

    assert wait_until(is_over, LIMIT_SECONDS, 0.2)
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        for statement in (TOLD, REFUSED):
            connection.execute(statement, {"id": order_id, "text": text})


@pytest.mark.timeout(240)
def test_hostile_texts_are_shown_and_run_nothing(desk: Opened, stack: Stack) -> None:
    user = f"{HOSTILE[0]}{HOSTILE[1]}{HOSTILE[5]}{time.time_ns()}"
    one = desk(form={"user": user})
    orders = {text: place(one, user, text) for text in HOSTILE}
    for text, order in orders.items():
        end(one, stack, order["orderId"], text)
    one.page.reload()
    for text, order in orders.items():
        shown, order_id = text.replace("\u202e", "⟨U+202E⟩"), order["orderId"]
        one.page.evaluate("id => { location.hash = `#/orders/${id}` }", order_id)
        one.page.wait_for_selector(f".order h2 code[title={order_id}]")
        one.page.wait_for_selector(f".row a[title={order_id}]")
        assert shown in one.page.inner_text(".order .warning.red")
        wallet, own_id = one.page.locator(".order .facts .outside").all_inner_texts()
        assert wallet == shown
        assert own_id.startswith(shown)
        # In the stream it is the very text.
        assert one.page.evaluate(STREAMED, order["websocketUrl"])[-1]["message"] == text
        assert one.page.evaluate("[window.ran, document.querySelectorAll('img, [onload]').length]") == [None, 0]
