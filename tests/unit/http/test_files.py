"""The pages and the specification as they are served: nothing from outside, nothing that a browser runs but ours."""

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from chalicelib.domain.errors import ErrorCode
from chalicelib.http import files
from chalicelib.http.files import WEB
from chalicelib.http.problems import ProblemCode
from chalicelib.http.stream_messages import StreamCode
from docs.api.asyncapi import asyncapi
from docs.api.openapi import openapi
from docs.api.operations import OPERATIONS
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


ASSETS = sorted(path.name for path in (WEB / "assets").iterdir())


def contents_of(page: Got, tag: str) -> list[str]:
    """Every element of this tag that stands in the page itself."""
    return re.findall(rf"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_needs_nothing_from_outside(service: Service, path: str) -> None:
    reader = Reader(service.call("GET", path))
    assert len(set(reader.ids)) == len(reader.ids)
    ours = {"./", "docs", "openapi.json", "asyncapi.json", "data:,", *(f"assets/{name}" for name in ASSETS)}
    for target in reader.targets:
        assert target in ours or target.removeprefix("#") in reader.ids, target


@pytest.mark.parametrize("path", PAGES)
def test_the_policy_allows_our_own_style_and_script_only(service: Service, path: str) -> None:
    page = service.call("GET", path)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    rules = dict(rule.strip().split(" ", 1) for rule in page.headers["Content-Security-Policy"].split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == rules["form-action"] == "'none'"
    for tag in ("style", "script"):
        digests = [hashlib.sha256(content.encode()).digest() for content in contents_of(page, tag)]
        hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
        assert rules[f"{tag}-src"].split() == [*(["'self'"] if path == "/" else []), *hashes]
    for tag, name in Reader(page).attributes:
        assert name != "style", tag
        assert not name.startswith("on"), (tag, name)


def test_the_desk_may_call_the_stream_and_nobody_else(service: Service) -> None:
    policy = service.call("GET", "/").headers["Content-Security-Policy"]
    assert "connect-src 'self' ws://localhost:3000;" in policy
    service.websocket_url = 'wss://abc.example/live"><script>'
    page = service.call("GET", "/")
    assert 'content="wss://abc.example/live&quot;&gt;&lt;script&gt;"' in page.text
    assert "connect-src 'self' wss://abc.example;" in page.headers["Content-Security-Policy"]
    assert "connect-src 'self';" in service.call("GET", "/docs").headers["Content-Security-Policy"]


@pytest.mark.parametrize(("path", "base"), [("/live", "live/"), ("/live/", ""), ("/", "")])
def test_the_desk_finds_its_parts_with_and_without_a_slash_behind_the_stage(
    service: Service, monkeypatch: pytest.MonkeyPatch, path: str, base: str
) -> None:
    monkeypatch.setenv("PUBLIC_WEBSOCKET_URL", "wss://abc.execute-api.us-east-1.amazonaws.com/live")
    event = an_event("GET", "/", None, {}, {}, "")
    event["requestContext"]["path"] = path
    page = service.send(event)
    parts = [target for target in Reader(page).targets if "assets/" in target]
    assert parts
    for target in parts:
        assert target.startswith(f"{base}assets/"), target


@pytest.mark.parametrize("name", ASSETS)
def test_a_part_of_the_desk_is_kept_for_good(service: Service, name: str) -> None:
    got = service.call("GET", f"/assets/{name}")
    kind = {"js": "text/javascript", "css": "text/css"}[name.rsplit(".", 1)[1]]
    assert got.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert got.text == (WEB / "assets" / name).read_text(encoding="utf-8")
    assert service.call("GET", f"/assets/{name}", headers={"If-None-Match": got.headers["ETag"]}).status == 304


@pytest.mark.parametrize("name", ["none.js", "..", "%2e%2e", "policies.json", "desk.js\0"])
def test_no_other_file_is_served(service: Service, name: str) -> None:
    got = service.call("GET", f"/assets/{name}")
    assert (got.status, got.body["code"]) == (404, "not_found")


def test_the_desk_is_small_and_writes_text_and_never_markup(service: Service) -> None:
    sent = [gzip.compress((WEB / "assets" / name).read_bytes()) for name in ASSETS]
    assert sum(map(len, sent)) + len(gzip.compress(service.call("GET", "/").text.encode())) < 150 * 1024
    [script] = [(WEB / "assets" / name).read_text() for name in ASSETS if name.startswith("desk-")]
    for way in ("outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser", "srcdoc"):
        assert way not in script


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


def test_the_stream_s_specification_says_where_streams_are_opened(service: Service) -> None:
    document = json.loads(files.stream_specification("wss://abc.execute-api.us-east-1.amazonaws.com/live").text)
    server = document["servers"]["stream"]
    assert (server["protocol"], server["host"]) == ("wss", "abc.execute-api.us-east-1.amazonaws.com")
    assert document["channels"]["stream"]["address"] == "/live"
    assert service.call("GET", "/asyncapi.json").body["components"] == document["components"]


@pytest.mark.parametrize("path", [*PAGES, "/openapi.json", "/asyncapi.json"])
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
