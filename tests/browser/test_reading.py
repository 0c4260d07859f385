"""Reading: at every width, by keyboard, for every eye; and ten thousand orders."""

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from localstack.local_stack.stack_for_tests import Stack
from tests.browser.conftest import Opened

MANY = 10_000
# Ids of one millisecond each, an hour back: the newest stay those that tests place.
SEED = """
INSERT INTO orders (id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps, status, attempt,
                    sequence, created_at, updated_at, error_code, error_message, error_retryable)
SELECT 'ord_' || lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - 3600000 + n), 12, '0')
              || left(md5(n::text), 20),
       'many', 'wallet', 'SOL', 'USDC', 'sell', n::bigint * 1000000, 50, 'failed', 1, 1,
       now() - interval '1 hour' + n * interval '1 millisecond',
       now() - interval '1 hour' + n * interval '2 milliseconds',
       'no_quote', 'No venue gave a quote.', true
FROM generate_series(1, %s) AS n
"""


@pytest.fixture(scope="module")
def many(stack: Stack) -> Iterator[str]:
    """A user with ten thousand orders."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(SEED, [MANY])
        connection.execute("ANALYZE orders")
        yield "many"
        connection.execute("DELETE FROM orders WHERE user_id = 'many'")


def test_errors_stand_beside_their_fields_in_the_trader_s_words(desk: Opened) -> None:
    one = desk()
    one.fill(pay="1,5", slippage="x")
    one.press()
    assert one.page.inner_text("#amount-error") == "Write a point for decimals: 1.5"
    assert one.page.inner_text("#slippage-error") == "Enter a number, such as 1.5"
    one.page.wait_for_function("() => document.activeElement.id === 'pay'")
    assert one.page.get_attribute("#pay", "aria-describedby") == "amount-error"
    one.fill(pay="1.5", slippage="0.5")
    assert one.page.locator(".error").count() == 0
    refusal = {
        "code": "validation_failed",
        "detail": "Please correct: slippageBps.",
        "errors": [{"field": "slippageBps", "message": "must be a valid integer"}],
    }
    one.page.route("**/api/orders/execute", lambda route: route.fulfill(status=400, json=refusal))
    one.ready().press()
    one.page.wait_for_selector("#slippage-error")
    assert one.page.inner_text("#slippage-error") == "The slippage must be a valid integer."
    assert "Bps" not in one.page.inner_text("body")


WIDTHS = "all => all.map(each => Math.round(each.getBoundingClientRect().width))"
CUT = """all => all.filter(each => each.scrollWidth > each.clientWidth || each.scrollHeight > each.clientHeight + 1)
    .map(each => each.innerText)"""


@pytest.mark.parametrize(
    ("width", "scheme"),
    [(320, "dark"), (375, "light"), (768, "dark"), (1440, "light"), (1440, "dark"), (3840, "light")],
)
def test_nothing_is_wider_than_the_page_and_axe_finds_nothing(desk: Opened, axe: str, width: int, scheme: str) -> None:
    bidi = "\u202eevil " + "x" * 122
    one = desk(width, 800, scheme=scheme, form={"user": bidi, "wallet": bidi})
    one.place()
    one.ends()
    one.page.wait_for_selector(".table .body [role=row]")
    one.page.wait_for_selector(".hbars")
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    assert "⟨U+202E⟩evil" in one.page.inner_text(".facts")
    # Bars that are compared have one length, and no amount is cut.
    assert len(set(one.page.eval_on_selector_all(".hbars .track", WIDTHS)[:5])) == 1
    assert one.page.eval_on_selector_all(".card .sentence", CUT) == []
    if width > 320:
        assert one.page.eval_on_selector_all(".quotes .scroll", CUT) == []
    assert violations(one.page, axe) == []


@pytest.mark.parametrize(("width", "scheme"), [(375, "light"), (1440, "dark")])
def test_the_docs_page_is_as_wide_as_the_page_and_axe_finds_nothing(
    desk: Opened, axe: str, width: int, scheme: str
) -> None:
    one = desk(width, 800, scheme=scheme, address=None)
    one.page.goto(f"{one.url}docs")
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    if width == 375:
        one.page.click("summary:has-text('Contents')")
    assert one.page.is_visible("[aria-label=Contents] >> text=The stream")
    assert violations(one.page, axe) == []


def test_a_call_is_tried_found_and_read_in_one_s_language_on_the_docs_page(desk: Opened) -> None:
    one = desk(address=None)
    one.page.goto(f"{one.url}docs")
    call = one.page.locator("#placeOrder")
    call.locator("summary", has_text="Try it").click()
    call.locator("textarea").fill(call.locator("textarea").input_value().replace("my-order-1", "tried-1"))
    call.locator("form.try [type=submit]").click()
    one.page.wait_for_selector("#placeOrder .result:not([hidden])")
    assert call.locator("[role=status]").inner_text().startswith("202 ")
    assert '"orderId": "ord_' in call.locator(".result").inner_text()
    call.locator("button", has_text="TypeScript").click()
    one.page.reload()
    assert one.page.locator("#getOrder pre[data-language=TypeScript]").is_visible()
    assert one.page.locator("#getOrder pre[data-language=curl]").is_hidden()
    one.page.keyboard.press("/")
    one.page.keyboard.type("stream ticket")
    assert one.page.locator("#makeStreamTicket").is_visible()
    assert one.page.locator("#getOrder").is_hidden()


def violations(page: Any, axe: str) -> list[str]:
    """What axe finds, WCAG 2.2 AA and its best practices."""
    page.evaluate(axe)
    found = page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    return [f"{each['id']}: {node['html'][:160]}" for each in found["violations"] for node in each["nodes"][:3]]


def test_on_a_phone_the_history_says_what_and_how_it_ended(desk: Opened) -> None:
    one = desk(375, 700)
    one.place()
    one.ends()
    card = one.page.inner_text(".card")
    assert re.search(r"Sell 1\.5 SOL → [\d.]+ USDC\s+confirmed\s+[\d:]+ · (Raydium|Meteora) · [\d.]+ m?s", card)
    box = one.page.locator(".card .pill").bounding_box()
    assert box["x"] + box["width"] <= 375


def test_focus_stays_and_each_step_is_told_once(desk: Opened) -> None:
    one = desk()
    one.ready()
    one.page.evaluate(
        """() => { window.told = [];
                   const live = document.querySelector('p[aria-live]');
                   new MutationObserver(() => told.push(live.textContent))
                     .observe(live, {childList: true, characterData: true, subtree: true}); }"""
    )
    one.page.focus("form .main")
    one.page.keyboard.press("Enter")
    one.ends()
    assert one.page.evaluate("document.activeElement.className").startswith("main")
    told = [text for text in one.page.evaluate("told") if ":" in text]
    assert len(told) == len(set(told))
    assert any(text.startswith("confirmed: ") for text in told)


def test_enter_in_the_user_s_field_places_nothing(desk: Opened) -> None:
    one = desk()
    one.ready()
    one.page.focus("#user")
    one.page.keyboard.press("Enter")
    one.page.wait_for_timeout(300)
    assert one.posts == []


def test_the_keyboard_is_enough(desk: Opened) -> None:
    one = desk()
    one.page.keyboard.press("?")
    one.page.wait_for_selector("dialog[open] >> text=Keyboard")
    one.page.keyboard.press("Escape")
    one.page.wait_for_selector("dialog[open]", state="detached")
    one.page.keyboard.press("b")
    one.page.keyboard.press("n")
    assert one.page.evaluate("document.activeElement.id") == "get"
    one.page.keyboard.type("2")
    one.ready()
    one.page.keyboard.press("Enter")
    one.ends()
    outline = one.page.evaluate(
        "() => { const b = document.querySelector('.turn'); b.focus(); return getComputedStyle(b).outlineStyle; }"
    )
    assert outline == "solid"
    one.page.keyboard.press("Escape")
    one.page.keyboard.press("o")
    one.page.wait_for_selector(".tabs button:nth-child(2)[aria-pressed=true]")
    one.page.keyboard.press("t")
    one.page.wait_for_selector("html[data-theme=dark]")


def test_a_saved_theme_is_there_before_anything_is_painted(desk: Opened) -> None:
    one = desk(scheme="light", address=None)
    one.page.add_init_script(
        """localStorage.theme = 'dark';
           const theme = () => document.documentElement.dataset.theme;
           new PerformanceObserver(() => { window.painted = window.painted || theme(); })
             .observe({type: 'paint', buffered: true});
           document.addEventListener('DOMContentLoaded', () => { window.early = theme(); });"""
    )
    for path in ("", "docs"):
        one.page.goto(one.url + path)
        one.page.wait_for_function("() => window.painted")
        assert one.page.evaluate("() => [window.early, window.painted]") == ["dark", "dark"]


def test_everything_is_compressed_and_painted_within_a_second(desk: Opened) -> None:
    one = desk(address=None)
    sent: dict[str, tuple[str, int]] = {}

    def note(answer: Any) -> None:
        if answer.request.method == "GET" and "/api/" not in answer.url and "/health" not in answer.url:
            sent[answer.url.rsplit("/", 1)[1]] = (answer.headers.get("content-encoding", ""), len(answer.body()))

    one.page.on("response", note)
    one.open()
    one.page.wait_for_selector(".chart canvas")
    assert {encoding for encoding, _ in sent.values()} == {"gzip"}
    total = one.page.evaluate(
        """performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
             .filter(each => !each.name.includes('/api/')).reduce((sum, each) => sum + each.encodedBodySize, 0)"""
    )
    assert 10_000 < total < 150 * 1024


def test_among_ten_thousand_orders_a_row_opens_without_moving_them(desk: Opened, many: str) -> None:
    one = desk(form={"user": many})
    body = one.page.locator(".table .body")
    one.page.wait_for_selector(".table .body [role=row]")
    body.evaluate("node => { node.scrollTop = 70 * 40; }")
    row = one.page.locator(".row[aria-rowindex='72']")
    row.wait_for()
    top = body.evaluate("node => node.scrollTop")
    row.click()
    one.page.wait_for_selector(".order .pill.failed")
    assert body.evaluate("node => node.scrollTop") == top
    one.page.fill("#search", "no such order")
    one.page.wait_for_selector(".row", state="detached") if one.rows() else None
    one.page.fill("#search", "")
    one.page.click(".tabs >> text=Open")
    one.page.wait_for_selector("text=No open orders.")


# From the first order to the last in so many frames: 33 rows a frame.
FRAMES = 300
SCROLL = """async frames => {
  const body = document.querySelector('.table .body');
  const frame = () => new Promise(requestAnimationFrame);
  const milliseconds = [], shown = [];
  body.scrollTop = 0;
  await frame();
  let before = await frame();
  for (let n = 1; n <= frames; n++) {
    body.scrollTop = (body.scrollHeight - body.clientHeight) * n / frames;
    const now = await frame();
    milliseconds.push(now - before);
    before = now;
    const seen = body.getBoundingClientRect();
    const rows = [...body.querySelectorAll('[role=row]')].map(row => row.getBoundingClientRect());
    shown.push([rows.length, rows.filter(row => row.bottom > seen.top && row.top < seen.bottom).length]);
  }
  return { milliseconds, shown };
}"""


def test_however_many_orders_are_scrolled_the_page_has_few_rows_and_is_never_empty(desk: Opened, many: str) -> None:
    """Prints how long the frames take: ./dev test tests/browser/test_reading.py -k scrolled -s."""
    one = desk(form={"user": many})
    one.page.wait_for_selector(".table .body [role=row]")
    one.page.wait_for_function(
        """many => { const body = document.querySelector('.table .body');
                     body.scrollTop = body.scrollHeight;
                     return document.querySelector('.space').offsetHeight >= many * 40; }""",
        arg=MANY,
        timeout=90_000,
    )
    seen = one.page.evaluate(SCROLL, FRAMES)
    took = sorted(seen["milliseconds"])
    late = sum(each > 1_000 / 60 * 1.5 for each in took)
    print(
        f"\n{MANY:,} orders in {FRAMES} frames: p50 {took[FRAMES // 2]:.1f} ms, p95 {took[FRAMES * 95 // 100]:.1f} ms, "
        f"longest {took[-1]:.1f} ms, {late} missed a sixtieth of a second"
    )
    assert max(rows for rows, _ in seen["shown"]) < 60
    assert min(visible for _, visible in seen["shown"]) > 0


def test_filters_ask_the_service(desk: Opened, many: str) -> None:
    one = desk(form={"user": many})
    asked: list[str] = []
    one.page.on("request", lambda sent: asked.append(sent.url) if "/api/orders?" in sent.url else None)
    one.page.click(".tabs >> text=Failed")
    one.page.select_option("#more-filters select >> nth=1", "raydium")
    one.page.wait_for_selector("text=No failed orders.")
    one.page.wait_for_timeout(300)
    assert any("status=failed" in url and "venue=raydium" in url for url in asked)
    one.page.click("text=Clear")
    one.page.wait_for_selector(".table .body [role=row]")


def test_the_pictures_say_in_words_what_they_show(desk: Opened) -> None:
    one = desk()
    one.place()
    one.ends()
    one.page.wait_for_selector("figure svg")
    assert re.match(r"1 fills from -?\d+ to -?\d+ bps", one.page.get_attribute("figure svg", "aria-label"))
    assert "building" in one.page.inner_text(".quality")
    label = one.page.get_attribute(".chart", "aria-label")
    assert label.startswith("Prices of SOL/USDC over time. ")
    assert json.dumps(label)
