"""Fetching an issuer's keys from a real HTTP server that misbehaves, and handing them on."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import pytest

import app
from chalicelib import bootstrap
from chalicelib.adapters.issuer import MAX_DOCUMENT, fetch
from chalicelib.auth.keys import read_keys
from chalicelib.domain.errors import Unavailable
from chalicelib.ports.access import KeyDocument
from chalicelib.services.issuer_keys import KeyFetcher, KeysNotFetched, document_of, message_of
from tests.fakes import FakeClock, RecordingTelemetry
from tests.fakes.aws import LambdaContext, sqs_event
from tests.fakes.http_server import answer, body_of, serving
from tests.fakes.tokens import EXTERNAL, THEIRS, a_key, jwks

GOOD = jwks(THEIRS)
SECONDS = 0.5


@dataclass
class Server:
    """An issuer, or what pretends to be one."""

    address: str = ""
    answer: Callable[[BaseHTTPRequestHandler], None] = lambda _: None
    asked: list[str] = field(default_factory=list)
    told: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/jwks.json") -> str:
        return f"{self.address}{path}"


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    def reply(request: BaseHTTPRequestHandler) -> None:
        if request.command == "PUT":
            state.told.append(json.loads(body_of(request)))
            answer(request)
            return
        state.asked.append(request.path)
        with suppress(OSError):
            state.answer(request)

    with serving(reply) as address:
        state.address = address
        yield state
        state.released.set()


def says(text: str, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda request: answer(request, text.encode(), status, **headers)


def writes(raw: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(raw)

    return answer


def drips(server: Server) -> Callable[[BaseHTTPRequestHandler], None]:
    """A byte now and then: no single wait is long."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not server.released.wait(SECONDS / 10):
            handler.wfile.write(b" ")

    return answer


def hangs(server: Server) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda _: (server.released.wait(10), None)[1]


def asked(server: Server, path: str = "/jwks.json") -> str:
    return fetch(server.url(path), allow_http=True, deadline_seconds=SECONDS)


def test_a_set_is_fetched(server: Server) -> None:
    server.answer = says(GOOD)
    assert asked(server, "/a/b?c=d") == GOOD
    assert server.asked == ["/a/b?c=d"]


BAD: dict[str, Callable[[Server], Callable[[BaseHTTPRequestHandler], None]]] = {
    "5 MB": lambda _: says(" " * 5_000_000),
    "65 KB": lambda _: says(" " * (MAX_DOCUMENT + 1)),
    "HTML": lambda _: says("<html>Down for maintenance</html>"),
    "redirect to another host": lambda _: says("", 302, Location="http://localhost:1/"),
    "redirect to itself": lambda server: says("", 307, Location=server.url()),
    "404": lambda _: says(GOOD, 404),
    "500": lambda _: says(GOOD, 500),
    "21 keys": lambda _: says(jwks(*(a_key("EdDSA", f"k{number}") for number in range(21)))),
    "no key": lambda _: says('{"keys": []}'),
    "oct": lambda _: says(jwks({"kty": "oct", "k": "c2VjcmV0", "kid": "theirs-1"})),
    "not UTF-8": lambda _: writes(b"HTTP/1.0 200 OK\r\n\r\n\xff\xfe"),
    "no HTTP": lambda _: writes(b"nonsense\r\n\r\n"),
    "a body cut off": lambda _: writes(b"HTTP/1.0 200 OK\r\nContent-Length: 9999\r\n\r\n" + GOOD.encode()),
    "hanging": hangs,
    "dripping": drips,
}


@dataclass
class Handed:
    """A fetcher of that server's keys, and what it handed on."""

    clock: FakeClock
    telemetry: RecordingTelemetry
    documents: list[KeyDocument]
    fetcher: KeyFetcher
    outage: bool = False


@pytest.fixture
def handed(server: Server) -> Handed:
    clock, telemetry = FakeClock(), RecordingTelemetry()
    documents: list[KeyDocument] = []

    def send(document: KeyDocument) -> None:
        if made.outage:
            raise Unavailable("SQS is down.")
        documents.append(document)

    fetcher = KeyFetcher(
        issuer=EXTERNAL,
        fetch=lambda: asked(server),
        check=read_keys,
        send=send,
        now=clock.now,
        telemetry=telemetry,
    )
    made = Handed(clock, telemetry, documents, fetcher)
    return made


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_set_of_keys_leaves_the_last_good_one(server: Server, handed: Handed, case: str) -> None:
    server.answer = says(GOOD)
    assert handed.fetcher.run()
    server.answer = BAD[case](server)
    start = time.monotonic()
    with pytest.raises(KeysNotFetched, match=EXTERNAL):
        handed.fetcher.run()
    assert time.monotonic() - start < 20 * SECONDS  # it ended at all: "dripping" would go on for ever
    assert [document.text for document in handed.documents] == [GOOD]
    assert handed.telemetry.total("IssuerKeysNotFetched") == 1
    assert len(server.asked) == 2


def test_nobody_is_there(handed: Handed, server: Server) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server.address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(KeysNotFetched):
        handed.fetcher.run()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://127.0.0.1:1/", "", "127.0.0.1", "//127.0.0.1/", "data:,x"]
)
def test_only_https_is_asked(url: str) -> None:
    with pytest.raises(KeysNotFetched, match="no https"):
        fetch(url)


def test_no_certificate_that_nobody_knows_is_taken(server: Server) -> None:
    server.answer = says(GOOD)
    with pytest.raises(KeysNotFetched, match="SSL"):
        fetch(server.url().replace("http:", "https:"), deadline_seconds=SECONDS)
    assert server.asked == []


def test_what_is_the_same_is_sent_again_after_ten_minutes_only(server: Server, handed: Handed) -> None:
    server.answer = says(GOOD)
    for _ in range(25):
        handed.fetcher.run()
        handed.clock.advance(60)
    assert len(handed.documents) == 3
    server.answer = says(jwks(THEIRS, a_key("ES256", "new")))
    assert handed.fetcher.run()


def test_what_could_not_be_sent_is_sent_the_next_time(server: Server, handed: Handed) -> None:
    server.answer = says(GOOD)
    handed.outage = True
    with pytest.raises(Unavailable):
        handed.fetcher.run()
    handed.outage = False
    assert handed.fetcher.run()


def test_a_document_survives_its_message() -> None:
    document = KeyDocument(EXTERNAL, GOOD, FakeClock().now())
    assert document_of(message_of(document)) == document


# ---------------------------------------------------------------- the functions


@pytest.fixture
def functions(handed: Handed, monkeypatch: pytest.MonkeyPatch) -> Handed:
    monkeypatch.setattr(bootstrap, "key_fetcher", lambda: handed.fetcher)
    monkeypatch.setattr(bootstrap, "telemetry", lambda: handed.telemetry)
    return handed


def request(server: Server, kind: str) -> dict[str, object]:
    return {
        "RequestType": kind,
        "ResponseURL": server.url("/answer"),
        "StackId": "s",
        "RequestId": "r",
        "LogicalResourceId": "IssuerKeys",
    }


def test_each_minute_an_issuer_that_is_away_is_no_failure(server: Server, functions: Handed) -> None:
    server.answer = says("", 503)
    assert app.fetch_keys({"source": "aws.events"}, LambdaContext()) is None
    assert functions.telemetry.logged("issuer_keys_not_fetched")
    server.answer = says(GOOD)
    app.fetch_keys({"source": "aws.events"}, LambdaContext())
    assert len(functions.documents) == 1


@pytest.mark.parametrize(("kind", "answer", "status"), [
    ("Create", says(GOOD), "SUCCESS"),
    ("Update", says(GOOD), "SUCCESS"),
    ("Update", says("<html>"), "FAILED"),
    ("Create", says("", 404), "FAILED"),
    ("Delete", says("", 404), "SUCCESS"),
], ids=range(5))  # fmt: skip
def test_cloudformation_hears_whether_an_address_gives_keys(
    server: Server,
    functions: Handed,
    kind: str,
    answer: Callable[[BaseHTTPRequestHandler], None],
    status: str,
) -> None:
    server.answer = answer
    app.fetch_keys(request(server, kind), LambdaContext())
    (told,) = server.told
    assert told["Status"] == status
    assert (told["PhysicalResourceId"], told["RequestId"]) == ("order-engine-issuer-keys", "r")
    assert bool(told["Reason"]) is (status == "FAILED")
    assert len(functions.documents) == (status == "SUCCESS" and kind != "Delete")


@dataclass
class Written:
    """`issuer_keys` in memory."""

    documents: list[KeyDocument] = field(default_factory=list)

    def write(self, document: KeyDocument) -> None:
        self.documents.append(document)


def test_store_keys_stores_what_is_a_document_and_leaves_the_rest(
    functions: Handed, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Written()
    monkeypatch.setattr(bootstrap, "issuer_keys", lambda: written)
    document = KeyDocument(EXTERNAL, GOOD, functions.clock.now())
    bodies = [message_of(document), "nonsense", "{}", "[]", '{"issuer": "x", "document": "y", "fetchedAt": "z"}']
    for number, body in enumerate(bodies):
        record = {
            "messageId": str(number),
            "body": body,
            "receiptHandle": "h",
            "attributes": {},
            "messageAttributes": {},
        }
        app.store_keys(sqs_event([record]), LambdaContext())
    assert written.documents == [document]
    assert len(functions.telemetry.logged("issuer_keys_unreadable")) == 4
