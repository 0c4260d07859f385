"""Orders that rest: their tickets, how far they are, amended and cancelled where they stand."""

import json
import re

from tests.browser.conftest import Opened


def test_a_limit_order_rests_is_amended_and_cancelled(desk: Opened) -> None:
    one = desk()
    one.page.click("text=Limit")
    one.page.wait_for_selector("text=The market pays")
    one.page.click("text=+5 %")
    price = one.page.input_value("#limit")
    assert one.button() == f"Sell 1.5 SOL at {price} or more"
    one.page.select_option("#rests", "3600")
    order_id = one.place()
    sent = json.loads(one.posts[0].post_data)
    assert (sent["orderType"], sent["limitPrice"], sent["timeInForce"]) == ("limit", price, "gtc")
    assert "slippageBps" not in sent
    one.ends("waiting")
    said = one.page.inner_text(".order .resting")
    assert re.search(r"USDC per SOL or better", said)
    assert re.search(r"% away", said)
    assert re.search(r"59 min \d+ s", said)
    one.page.click("text=Amend")
    one.page.fill(".amend input", "1,5")
    one.page.click("text=Save the changes")
    assert one.page.inner_text("#amend-error") == "Write a point for decimals: 1.5"
    dearer = str(round(float(price) * 1.05, 2))
    one.page.fill(".amend input", dearer)
    one.page.click("text=Save the changes")
    one.page.wait_for_selector(".amend", state="detached")
    assert one.page.request.get(f"{one.url}api/orders/{order_id}").json()["limitPrice"] == dearer
    one.page.click(".tabs >> text=Open")
    one.page.wait_for_selector(f".row:has(a[title={order_id}])")
    one.page.click(".order button:has-text('Cancel')")
    one.ends("cancelled")
    assert one.page.evaluate("document.activeElement.id") == "order-title"
    one.page.wait_for_selector("text=No open orders.")


def test_a_price_to_buy_at_is_told_as_prices_are(desk: Opened) -> None:
    one = desk()
    one.page.click("text=Limit")
    one.page.click("text=Buy SOL")
    one.page.wait_for_selector("text=The market pays")
    one.page.click("text=−5 %")
    price = one.page.input_value("#limit")
    one.place()
    sent = json.loads(one.posts[0].post_data)
    assert abs(float(sent["limitPrice"]) * float(price) - 1) < 1e-12
    one.ends("waiting")
    assert f"{float(price):.6g}"[:6] in one.page.inner_text(".order .resting")


def test_a_limit_that_is_wrong_is_refused_beside_its_field(desk: Opened) -> None:
    one = desk()
    one.page.click("text=Limit")
    one.press()
    assert one.page.inner_text("#limit-error") == "Enter the price, such as 170"
    one.page.wait_for_function("() => document.activeElement.id === 'limit'")
    one.page.fill("#limit", "0.00595")  # turned around
    one.press()
    one.page.wait_for_selector("#limit-error")
    assert one.page.inner_text("#limit-error").startswith("The price ")
    assert "limitPrice" not in one.page.inner_text("form")


def test_a_sniper_waits_for_its_launch(desk: Opened) -> None:
    one = desk()
    one.page.click("text=Sniper")
    one.page.click(".launches button")
    token = one.page.input_value("#target")
    one.fill(pay="100", limit="2", age="20")
    one.page.select_option("#event", "launch")
    assert one.button() == f"Snipe {token} with 100 USDC"
    one.place()
    one.page.wait_for_selector(".order .pill")
    sent = json.loads(one.posts[0].post_data)
    assert (sent["outputToken"], sent["limitPrice"]) == (token, "0.5")
    assert (sent["launch"]["event"], sent["launch"]["maxAgeSeconds"]) == ("launch", 20)
    assert "at most 20 s old" in one.page.inner_text(".order .resting")
