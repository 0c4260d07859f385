"""A real Chromium in front of one deployed stack; where the machine has none, one line says that nothing ran."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from localstack.deployment import tools
from localstack.local_stack import stack_for_tests
from localstack.local_stack.stack_for_tests import Stack
from tests.chromium import CHROMIUM


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips them all where there is no Chromium."""
    for item in items:
        if item.path.parent == Path(__file__).parent and CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason="no Chromium here: install it (Debian: apt install chromium)"))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Slow enough that something can happen in the middle of an order."""
    folder = tmp_path_factory.mktemp("browser")
    with stack_for_tests.boot(folder, parameters={"SimulatedDelayScale": "0.3"}, environment={}) as running:
        yield running


@dataclass
class Desk:
    """A page with the desk, and what it sent and complained about."""

    page: Any
    url: str
    posts: list[Any] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str = "") -> "Desk":
        """Goes to an address of the desk and waits until it stands."""
        self.page.goto(self.url + address)
        self.page.wait_for_selector("form .main")
        return self

    def fill(self, **fields: str) -> "Desk":
        """Types into fields by their ids."""
        for name, value in fields.items():
            self.page.fill(f"#{name}", value)
        return self

    def button(self) -> str:
        """What the button says."""
        return str(self.page.inner_text("form .main"))

    def ready(self) -> "Desk":
        """Waits for a quote that can be traded on."""
        self.page.wait_for_selector("form .main.place")
        return self

    def press(self) -> None:
        """Clicks the button, whatever it says."""
        self.page.click("form .main", force=True)

    def place(self) -> str:
        """Places what the ticket says; the order's id."""
        before = self.page.url
        self.ready().press()
        self.page.wait_for_function("before => location.href !== before && location.hash.includes('ord_')", arg=before)
        return str(self.page.evaluate("location.hash.slice('#/orders/'.length)"))

    def ends(self, status: str = "confirmed") -> None:
        """Waits for the order's end."""
        self.page.wait_for_selector(f".order .pill.{status}", timeout=20_000)
        # The last step may come by another way than the order.
        self.page.wait_for_selector(f".order .bar-row.{status}", timeout=20_000)

    def rows(self) -> int:
        """How many orders the list shows, as the page has them."""
        return int(self.page.locator(".table .body [role=row]").count())

    def orders(self, user: str) -> list[dict[str, Any]]:
        """What the service has of a user."""
        answer = self.page.request.get(f"{self.url}api/orders?userId={user}&limit=200")
        found: list[dict[str, Any]] = answer.json()["orders"]
        return found


Opened = Callable[..., Desk]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright from an environment of its own."""
    command = tools.ensure("playwright", lambda line: None)
    (libraries,) = command.parents[1].glob("lib/python*/site-packages")
    sys.path.append(str(libraries))
    from playwright.sync_api import sync_playwright  # type: ignore[import-not-found]

    with sync_playwright() as driver:
        # Root has no sandbox, and a container's shared memory is small.
        flags = ["--no-sandbox", "--disable-dev-shm-usage"]
        running = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield running
        running.close()


@pytest.fixture(scope="session")
def axe(browser: Any) -> str:
    """axe-core's script."""
    import axe_playwright_python  # type: ignore[import-not-found]

    return Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def desk(browser: Any, stack: Stack, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Opens desks; all that a page complains about fails the test, unless it says that it may."""
    contexts: list[Any] = []
    opened: list[Desk] = []
    # A user of its own for each test: lists don't meet.
    user = f"u-{abs(hash(request.node.nodeid)) % 10**9}"

    def open_one(
        width: int = 1440,
        height: int = 900,
        *,
        scheme: str = "light",
        context: Any = None,
        form: Mapping[str, str] | None = None,
        address: str | None = "",
    ) -> Desk:
        if context is None:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            context.set_default_timeout(15_000)
            stored = json.dumps({"user": user, **(form or {})})
            context.add_init_script(f"if (!localStorage['desk.form']) localStorage['desk.form'] = {json.dumps(stored)}")
            contexts.append(context)
        page = context.new_page()
        mine = Desk(page, f"{stack.base_url}/")
        page.on("pageerror", lambda error: mine.complaints.append(str(error)))
        page.on("console", lambda said: mine.complaints.append(said.text) if _is_complaint(said) else None)
        page.on("request", lambda sent: mine.posts.append(sent) if _places(sent) else None)
        opened.append(mine)
        return mine if address is None else mine.open(address)

    open_one.user = user  # type: ignore[attr-defined]
    yield open_one
    complaints = [each for one in opened for each in one.complaints]
    for context in contexts:
        context.close()
    assert complaints == []


def _is_complaint(said: Any) -> bool:
    # What the network did is the tests' own doing.
    return said.type == "error" and "ERR_" not in said.text and "Failed to load resource" not in said.text


def _places(sent: Any) -> bool:
    return bool(sent.method == "POST" and sent.url.endswith("/api/orders/execute"))


@contextmanager
def answered(page: Any, pattern: str, answer: Callable[[Any], None]) -> Iterator[None]:
    """Has requests that match answered by the function, until the end of the block."""
    page.route(pattern, answer)
    yield
    page.unroute(pattern)
