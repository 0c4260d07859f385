"""The pages: nothing from outside, nothing that a browser runs but ours, everything that the specifications know."""

import base64
import hashlib
import html
import re
from html.parser import HTMLParser

import pytest

from chalicelib.domain.errors import ErrorCode
from chalicelib.http.asyncapi import asyncapi
from chalicelib.http.catalogue import ProblemCode
from chalicelib.http.openapi import openapi
from chalicelib.http.operations import OPERATIONS
from chalicelib.stream_messages import StreamCode
from tests.unit.http_contract.service import Got, Service

PAGES = ("/", "/docs")
VOID = {"meta", "link", "input", "br", "img", "hr"}


class Reader(HTMLParser):
    """What a page consists of; refuses tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.append((tag, name, value))
            if name == "id" and value:
                self.ids.append(value)
            if name in ("href", "src", "action") and value:
                self.targets.append(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: Got) -> Reader:
    """The page, read whole."""
    reader = Reader()
    reader.feed(page.text)
    reader.close()
    assert not reader.open
    return reader


@pytest.mark.parametrize("path", PAGES)
def test_a_page_needs_nothing_from_outside(service: Service, path: str) -> None:
    reader = read(service.call("GET", path))
    assert len(set(reader.ids)) == len(reader.ids)
    for target in reader.targets:
        assert target.startswith("#") or target in ("./", "docs", "openapi.json", "data:,"), target
        if target.startswith("#"):
            assert target[1:] in reader.ids, target


@pytest.mark.parametrize("path", PAGES)
def test_the_policy_allows_our_own_style_and_script_only(service: Service, path: str) -> None:
    page = service.call("GET", path)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    rules = dict(rule.strip().split(" ", 1) for rule in page.headers["Content-Security-Policy"].split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == rules["form-action"] == "'none'"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
        assert rules[rule] == f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
    for tag, name, _ in read(page).attributes:
        assert name != "style", tag
        assert not name.startswith("on"), (tag, name)


def test_the_dashboard_may_call_the_stream_and_nobody_else(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = service.call("GET", "/").headers["Content-Security-Policy"]
    assert "connect-src 'self' ws://localhost:3000;" in policy
    service.websocket_url = 'wss://abc.example/live"><script>'
    page = service.call("GET", "/")
    assert 'content="wss://abc.example/live&quot;&gt;&lt;script&gt;"' in page.text
    assert "connect-src 'self' wss://abc.example;" in page.headers["Content-Security-Policy"]
    assert "connect-src 'self';" in service.call("GET", "/docs").headers["Content-Security-Policy"]


def test_the_dashboard_writes_text_and_never_markup(service: Service) -> None:
    [script] = re.findall(r"<script>(.*?)</script>", service.call("GET", "/").text, re.DOTALL)
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser", "srcdoc"):
        assert way not in script


def test_the_docs_tell_everything_that_the_specifications_know(service: Service) -> None:
    page = service.call("GET", "/docs")
    reader = read(page)
    for operation in OPERATIONS:
        assert operation.id in reader.ids
        assert html.escape(operation.path) in page.text
    for name in {**openapi("")["components"]["schemas"], **asyncapi()["components"]["schemas"]}:
        assert f"model-{name}" in reader.ids
    for code in (*ProblemCode, *StreamCode, *ErrorCode):
        assert f"<code>{code}</code>" in page.text


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_made_once(service: Service, path: str) -> None:
    first, second = service.call("GET", path), service.call("GET", path)
    assert first.text == second.text
    assert first.text is second.text
