"""Where the service asks for tokens: the desk asks the trader, keeps the token in memory, and shows what is his."""

from collections.abc import Iterator

import pytest

from localstack.client.issuer import Issuer, read_issuer
from localstack.local_stack.stack_for_tests import Stack
from tests.browser.conftest import Desk, Opened


@pytest.fixture(scope="module")
def issuer(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """Of an issuer that the stack believes."""
    made = read_issuer(tmp_path_factory.mktemp("issuer") / "key.json")
    told = {"AuthMode": "jwt", "AuthIssuer": made.name, "AuthAudience": made.audience, "AuthKeys": made.public_keys}
    with stack.deployed_with(**told):
        yield made


def sign_in(one: Desk, token: str) -> None:
    one.page.wait_for_selector("dialog[open] #token")
    one.page.fill("#token", token)
    one.page.keyboard.press("Enter")


def test_a_session_trades_with_a_token_that_is_nowhere_but_in_memory(desk: Opened, issuer: Issuer) -> None:
    one = desk(address=None)
    one.page.goto(one.url)
    sign_in(one, "no token")
    assert "That is no token" in one.page.inner_text("#token-error")
    token = issuer.sign(desk.user, 600)  # type: ignore[attr-defined]
    sign_in(one, token)
    one.page.wait_for_selector("dialog[open]", state="detached")
    assert one.page.locator("#user").count() == 0
    order_id = one.place()
    one.ends()
    assert "userId" not in one.posts[0].post_data
    assert one.page.locator(f".row a[title={order_id}]").count() == 1
    assert one.page.locator(".bar-row").count() == 5
    kept = one.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert token not in kept
    one.page.reload()
    one.page.wait_for_selector("dialog[open] #token")
    assert one.page.locator(".row").count() <= 1
    # Another trader, on the same page.
    sign_in(one, issuer.sign("somebody-else", 600))
    one.page.wait_for_selector("text=There is no order of this id")
    one.page.wait_for_selector("text=No orders yet.")


def test_a_token_that_runs_out_in_mid_session_is_asked_for_again(desk: Opened, issuer: Issuer) -> None:
    one = desk(address=None)
    one.page.goto(one.url)
    sign_in(one, issuer.sign(desk.user, 600))  # type: ignore[attr-defined]
    one.ready()
    refusal = {"code": "unauthenticated", "title": "x", "type": "x", "detail": "Send one valid access token."}
    one.page.route("**/api/orders/execute", lambda route: route.fulfill(status=401, json=refusal))
    one.press()
    one.page.wait_for_selector("dialog[open] >> text=get a new one")
    one.page.unroute("**/api/orders/execute")
    sign_in(one, issuer.sign(desk.user, 700))  # type: ignore[attr-defined]
    one.page.wait_for_selector("dialog[open]", state="detached")
    one.place()
    one.ends()
    assert len({post.headers["idempotency-key"] for post in one.posts}) == 1
