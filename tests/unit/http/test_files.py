"""The pages and the specification as they are served: nothing from outside, nothing that a browser runs but ours."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.tokens import REGISTRY
from chalicelib.domain.transitions import TERMINAL, OrderStatus
from chalicelib.http.problems import ProblemCode
from chalicelib.http.stream_messages import StreamCode
from docs.api.asyncapi import asyncapi
from docs.api.openapi import OPERATIONS, openapi
from tests.unit.http.service import Got, Service, an_event

PAGES = ("/", "/docs")
VOID = {"meta", "link", "input", "br", "img", "hr"}


class Reader(HTMLParser):
    """What a page consists of; refuses tags that do not close."""

    def __init__(self, page: Got) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(page.text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.append((tag, name))
            if name == "id" and value:
                self.ids.append(value)
            if name in ("href", "src", "action") and value:
                self.targets.append(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def content_of(page: Got, tag: str) -> str:
    """The only element of this tag."""
    [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
    return str(content)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_needs_nothing_from_outside(service: Service, path: str) -> None:
    reader = Reader(service.call("GET", path))
    assert len(set(reader.ids)) == len(reader.ids)
    for target in reader.targets:
        assert target in ("./", "docs", "openapi.json", "data:,") or target.removeprefix("#") in reader.ids, target


@pytest.mark.parametrize("path", PAGES)
def test_the_policy_allows_our_own_style_and_script_only(service: Service, path: str) -> None:
    page = service.call("GET", path)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    rules = dict(rule.strip().split(" ", 1) for rule in page.headers["Content-Security-Policy"].split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == rules["form-action"] == "'none'"
    for tag in ("style", "script"):
        digest = hashlib.sha256(content_of(page, tag).encode()).digest()
        assert rules[f"{tag}-src"] == f"'sha256-{base64.b64encode(digest).decode()}'"
    for tag, name in Reader(page).attributes:
        assert name != "style", tag
        assert not name.startswith("on"), (tag, name)


def test_the_dashboard_may_call_the_stream_and_nobody_else(service: Service) -> None:
    policy = service.call("GET", "/").headers["Content-Security-Policy"]
    assert "connect-src 'self' ws://localhost:3000;" in policy
    service.websocket_url = 'wss://abc.example/live"><script>'
    page = service.call("GET", "/")
    assert 'content="wss://abc.example/live&quot;&gt;&lt;script&gt;"' in page.text
    assert "connect-src 'self' wss://abc.example;" in page.headers["Content-Security-Policy"]
    assert "connect-src 'self';" in service.call("GET", "/docs").headers["Content-Security-Policy"]


def test_the_dashboard_writes_text_and_never_markup(service: Service) -> None:
    script = content_of(service.call("GET", "/"), "script")
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser", "srcdoc"):
        assert way not in script


def test_the_dashboard_knows_the_domains_statuses_and_tokens(service: Service) -> None:
    page = service.call("GET", "/")
    [states] = map(json.loads, re.findall(r"^const ORDER_STATES = (.*);$", content_of(page, "script"), re.MULTILINE))
    assert states["steps"] == ["pending", "routing", "building", "submitted", "confirmed"]
    assert set(states["over"]) == TERMINAL
    assert states["cancellable"] == ["pending", "routing", "building"]
    options = re.findall(r"<option>(.*?)</option>", page.text)
    assert options == [*(token.symbol for token in REGISTRY * 2), *OrderStatus]


def test_the_dashboards_script_finds_its_elements(service: Service) -> None:
    page = service.call("GET", "/")
    wanted = set(re.findall(r'byId\("([^"]+)"\)', content_of(page, "script")))
    assert wanted
    assert wanted <= set(Reader(page).ids)


def test_the_docs_tell_everything_that_the_specifications_know(service: Service) -> None:
    page = service.call("GET", "/docs")
    models = {**openapi()["components"]["schemas"], **asyncapi()["components"]["schemas"]}
    assert {*(f"model-{name}" for name in models), *(operation.id for operation in OPERATIONS)} <= {*Reader(page).ids}
    for code in (*ProblemCode, *StreamCode, *ErrorCode):
        assert f"<code>{code}</code>" in page.text


def test_the_specification_says_where_the_api_hangs(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    assert service.call("GET", "/openapi.json").body == openapi()
    monkeypatch.setenv("PUBLIC_WEBSOCKET_URL", "wss://abc.execute-api.us-east-1.amazonaws.com/live")
    assert service.call("GET", "/openapi.json").body == {**openapi(), "servers": [{"url": "/live"}]}


@pytest.mark.parametrize("path", [*PAGES, "/openapi.json"])
def test_a_client_that_has_the_file_gets_no_second_copy(service: Service, path: str) -> None:
    first = service.call("GET", path)
    tag = first.headers["ETag"]
    for sent in (tag, f'"other", W/{tag}', "*"):
        again = service.call("GET", path, headers={"If-None-Match": sent})
        assert (again.status, again.text, again.headers["ETag"]) == (304, "", tag)
    for sent in ('"other"', tag.strip('"'), ""):
        assert service.call("GET", path, headers={"If-None-Match": sent}).text == first.text


@pytest.mark.parametrize("stage", ["", "/live"])
def test_a_slash_behind_docs_leads_to_the_page(service: Service, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    monkeypatch.setenv("PUBLIC_WEBSOCKET_URL", "wss://abc.execute-api.us-east-1.amazonaws.com/live")
    event = an_event("GET", "/docs", None, {}, {}, stage)
    event["requestContext"]["path"] = f"{stage}/docs/"
    got = service.send(event)
    assert (got.status, got.headers["Location"]) == (308, f"{stage}/docs")
