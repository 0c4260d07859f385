"""Money: a click is one order, and nothing is traded that the trader did not see."""

import json
import re
from typing import Any

import pytest

from tests.browser.conftest import Opened, answered

PLACE = "**/api/orders/execute"


def lose_the_answer(route: Any) -> None:
    """The service gets it and commits; the page never hears of it."""
    route.fetch()
    route.abort("connectionreset")


def keys(posts: list[Any]) -> list[str]:
    return [post.headers["idempotency-key"] for post in posts]


@pytest.mark.parametrize("reloaded", [False, True], ids=["the same page", "after a reload"])
def test_a_lost_answer_and_a_second_click_are_one_order(desk: Opened, reloaded: bool) -> None:
    one = desk()
    with answered(one.page, PLACE, lose_the_answer):
        one.ready().press()
        one.page.wait_for_selector("text=Send the same order again")
    if reloaded:
        one.page.reload()
        one.page.wait_for_selector("text=may have been placed")
    one.press()
    one.ends()
    assert len(one.posts) == 2
    assert len(set(keys(one.posts))) == 1
    assert len(one.orders(desk.user)) == 1  # type: ignore[attr-defined]


def test_a_tab_that_closed_in_doubt_leaves_its_key_to_the_next(desk: Opened) -> None:
    one = desk()
    with answered(one.page, PLACE, lambda route: route.abort()):
        one.ready().press()
        one.page.wait_for_selector("text=Send the same order again")
    one.page.evaluate(
        """() => { const all = JSON.parse(localStorage['desk.intents']); all[0].at -= 60_000;
                   localStorage['desk.intents'] = JSON.stringify(all); }"""
    )
    one.page.close()
    other = desk(context=one.page.context)
    other.page.wait_for_selector("text=Send the same order again")
    other.press()
    other.ends()
    assert keys(other.posts) == keys(one.posts)


def test_a_changed_form_is_another_order(desk: Opened) -> None:
    one = desk()
    with answered(one.page, PLACE, lambda route: route.abort()):
        one.ready().press()
        one.page.wait_for_selector("text=Send the same order again")
    one.fill(pay="2.5")
    one.place()
    assert len(set(keys(one.posts))) == 2
    assert [order["amount"] for order in one.orders(desk.user)] == ["2.5"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("pause_ms", [0, 250])
def test_five_clicks_are_one_order(desk: Opened, pause_ms: int) -> None:
    one = desk()
    one.ready()
    for _ in range(5):
        one.press()
        one.page.wait_for_timeout(pause_ms)
    one.ends()
    assert len(one.posts) == 1
    # The same order once more is possible, once the clicking has stopped.
    one.place()
    assert len(set(keys(one.posts))) == 2


def test_a_price_impact_above_the_limit_wants_typed_consent(desk: Opened) -> None:
    one = desk()
    one.fill(pay="9000000")
    consent = one.page.wait_for_selector(".consent")
    said = str(consent.inner_text())
    word = re.search(r"type (accept \d+%)", said)
    assert word is not None
    assert "your limit is 15 %" in said
    one.press()
    assert one.posts == []
    one.page.wait_for_function("() => document.activeElement.id === 'consent'")
    one.fill(consent=word[1])
    one.ready()
    assert one.page.get_attribute(".quote dl > div:has-text('Price impact')", "class") == "red"
    assert "9,000,000" not in one.button()
    assert "Sell 9000000 SOL → ≈" in one.button()
    one.place()
    sent = json.loads(one.posts[0].post_data)
    assert sent["maxPriceImpactBps"] == int(word[1].removeprefix("accept ").removesuffix("%")) * 100
    # The consent was for that order.
    one.page.wait_for_selector(".consent")
    assert one.page.input_value("#consent") == ""


def test_half_a_fortune_of_slippage_does_not_pass_silently(desk: Opened) -> None:
    one = desk()
    one.fill(slippage="50")
    assert "up to 50 % less than quoted" in one.page.inner_text(".slippage .warning.red")


def test_back_brings_the_side_and_its_labels_back_together(desk: Opened) -> None:
    one = desk()
    one.page.click("text=Buy SOL")
    one.page.click("text=Docs")
    one.page.wait_for_selector("#placeOrder")
    one.page.go_back()
    one.page.wait_for_selector("form .main")
    assert one.page.get_attribute(".sides .buy", "aria-pressed") == "true"
    assert one.page.inner_text("label[for=get]") == "You get exactly"
    assert one.page.inner_text("label[for=pay]") == "You pay about"


def test_buying_sol_buys_sol(desk: Opened) -> None:
    one = desk()
    one.page.click("text=Buy SOL")
    one.fill(get="1.5")
    one.ready()
    assert re.fullmatch(r"Buy 1\.5 SOL for ≈ [\d.]+ USDC", one.button())
    one.place()
    sent = json.loads(one.posts[0].post_data)
    assert (sent["inputToken"], sent["outputToken"], sent["side"], sent["amount"]) == ("USDC", "SOL", "buy", "1.5")
    one.ends()
    assert "Buy 1.5 SOL for" in one.page.inner_text(".order .sentence")


def test_a_quote_is_never_accepted_for_another_form_nor_after_its_time(desk: Opened) -> None:
    one = desk(address=None)
    one.page.clock.install()
    one.open().ready()
    first = one.button()
    assert "holds" in one.page.inner_text(".age")
    with answered(one.page, "**/api/quotes", lambda route: None):  # none comes
        one.page.click("text=Buy SOL")
        one.fill(get="500")
        one.page.wait_for_selector("form .main:not(.place)")
        assert one.page.locator(".quote dl").count() == 0
        one.press()
        assert one.posts == []
    one.page.click("text=Sell SOL")
    one.fill(pay="1.5")
    one.page.clock.run_for(1_000)
    one.ready()
    # Nobody is there for some minutes: it is not asked for for ever, and not taken when it is old.
    one.page.clock.fast_forward("05:00")
    one.page.clock.run_for(2_000)
    assert one.button() == "Get a new quote"
    assert "has run out" in one.page.inner_text(".age")
    one.press()
    one.ready()
    assert one.posts == []
    assert first.startswith("Sell 1.5 SOL → ≈ ")
