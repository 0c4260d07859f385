"""The emulator behind its gate, asked as a stranger on this machine and as a page in a browser would."""

import base64
import http.client
import io
import json
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from botocore.client import Config

from localstack.deployment.aws_clients import Clients
from localstack.local_stack.emulator import Emulator
from localstack.local_stack.ports import LOOPBACK
from localstack.local_stack.processes import wait_until
from tests.chromium import CHROMIUM

# In one process, with what else is asked of this emulator.
pytestmark = pytest.mark.xdist_group("emulator")

LIMIT_SECONDS = 60
ROLE = "arn:aws:iam::000000000000:role/somebody"
RUNTIME: Any = f"python3.{min(sys.version_info.minor, 14)}"
TELL = """
import os, pathlib
def handler(event, context):
    seen = [f"{name}={value}" for name, value in os.environ.items()]
    pid = os.getpid()
    for _ in range(4):  # up to what started the emulator
        for name in ("environ", "cmdline"):
            seen += pathlib.Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace").split("\\0")
        pid = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    return seen
"""


def packed(source: str) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("app.py", source)
    return memory.getvalue()


@pytest.fixture(scope="module")
def function(clients: Clients) -> Iterator[dict[str, Any]]:
    """A function that tells what it can read of the processes around it."""
    clients.other("iam").create_role(RoleName="somebody", AssumeRolePolicyDocument="{}")
    made = clients.functions.create_function(
        FunctionName="tell", Runtime=RUNTIME, Role=ROLE, Handler="app.handler", Code={"ZipFile": packed(TELL)}
    )
    yield dict(made)
    clients.functions.delete_function(FunctionName="tell")


def status(running: Emulator, method: str, path: str, body: str | None = None, **headers: str) -> int:
    link = http.client.HTTPConnection(LOOPBACK, running.port, timeout=LIMIT_SECONDS)
    try:
        link.request(method, path, body, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return link.getresponse().status
    finally:
        link.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"),
        ("GET", "/_ministack/lambda-code/tell"),
        ("GET", "/_aws/execute-api/abc/live/health"),
    ],
)
def test_a_stranger_learns_and_breaks_nothing(
    clients: Clients, function: dict[str, Any], running: Emulator, method: str, path: str
) -> None:
    assert status(running, method, path) == 403
    assert status(running, method, path, Authorization="AWS4-HMAC-SHA256 Credential=test/x/y/s3/aws4_request") == 403
    names = [each["FunctionName"] for each in clients.functions.list_functions()["Functions"]]
    assert names == [function["FunctionName"]]


def test_a_presigned_address_needs_the_key_and_its_signature(clients: Clients, running: Emulator) -> None:
    clients.s3.put_object(Bucket="deployment", Key="note", Body=b"kept")
    for secret, expected in ((running.keys.root, 200), ("guessed", 403)):
        s3 = boto3.client(
            "s3",
            endpoint_url=running.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=running.keys.root,
            aws_secret_access_key=secret,
            config=Config(signature_version="s3v4"),
        )
        url = s3.generate_presigned_url("get_object", {"Bucket": "deployment", "Key": "note"})
        assert status(running, "GET", url.removeprefix(running.endpoint_url)) == expected
        s3.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_function_finds_a_secret_in_any_environment(
    clients: Clients, function: dict[str, Any], running: Emulator
) -> None:
    answer = clients.functions.invoke(FunctionName=function["FunctionName"])
    assert not answer.get("FunctionError")
    seen = json.load(answer["Payload"])
    own = dict(line.split("=", 1) for line in seen if "=" in line)
    assert own["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    text = "\n".join(seen)
    assert [each for each in (running.keys.root, running.keys.door, running.keys.salt) if each in text] == []


def test_nobody_else_can_read_what_it_writes(clients: Clients, function: dict[str, Any], running: Emulator) -> None:
    clients.functions.invoke(FunctionName=function["FunctionName"])  # unpacked
    paths = [running.scratch, *running.scratch.rglob("*")]
    assert len(paths) > 2
    assert [path for path in paths if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077] == []


# A page of another origin, and the five ways in which it could make the emulator work for it.
PAGE = """<!doctype html><title>a page</title><script>
const base = %(base)s, query = %(query)s, body = name => JSON.stringify({...%(wanted)s, FunctionName: name});
const told = {};
const way = async (name, attempt) => { try { told[name] = await attempt() } catch (error) { told[name] = "failed" } };
const sum = answer => answer.text().then(text => answer.status + " " + text.slice(0, 60));
(async () => {
  await way("simple", async () => (await fetch(base + "/2015-03-31/functions" + query,
    {method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain"}, body: body("simple")})).type);
  await way("read", async () => sum(await fetch(base + "/2015-03-31/functions" + query,
    {method: "POST", headers: {"Content-Type": "text/plain"}, body: body("read")})));
  await way("preflight", async () => sum(await fetch(base + "/2015-03-31/functions/tell/code" + query,
    {method: "PUT", headers: {"Content-Type": "application/json"}, body: JSON.stringify(%(wanted)s.Code)})));
  await way("authorization", async () => sum(await fetch(base + "/2015-03-31/functions",
    {method: "POST", body: body("authorization"), headers: {Authorization:
      "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0"}})));
  await way("websocket", () => new Promise((resolve, reject) => {
    const socket = new WebSocket(base.replace("http", "ws") + "/_aws/execute-api/%(api)s/live");
    socket.onopen = () => resolve("open"); socket.onerror = reject; }));
  await fetch("/told", {method: "POST", body: JSON.stringify(told)});
})();
</script>"""


WANTED = {
    "FunctionName": "wanted",
    "Runtime": RUNTIME,
    "Role": ROLE,
    "Handler": "app.handler",
    "Code": {"ZipFile": base64.b64encode(packed("def handler(*_): pass")).decode()},
}


def signing(key: str) -> str:
    """A query that names the key as an AWS client would that signs in it; MiniStack checks no signature of its root."""
    return "?" + urlencode(
        {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{key}/{datetime.now(UTC):%Y%m%d}/us-east-1/lambda/aws4_request",
            "X-Amz-Date": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": "300",
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": "0",
        }
    )


def visit(base: str, api: str, profile: Path) -> dict[str, str]:
    """What the page tells its own server after Chromium has shown it."""
    told: list[dict[str, str]] = []
    values = {"base": base, "query": signing("test"), "wanted": WANTED}
    page = PAGE % {**{name: json.dumps(value) for name, value in values.items()}, "api": api}

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((LOOPBACK, 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser = subprocess.Popen(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--no-proxy-server", "--no-first-run", f"--user-data-dir={profile}"),
            *("--remote-debugging-port=0", f"http://{LOOPBACK}:{server.server_port}/"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert wait_until(lambda: bool(told), LIMIT_SECONDS), "the page told nothing"
    finally:
        browser.terminate()
        browser.wait(LIMIT_SECONDS)
        server.shutdown()
        server.server_close()
    return told[0]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: what a real browser can do is not tried")
def test_a_web_page_reaches_nothing(
    clients: Clients, function: dict[str, Any], running: Emulator, tmp_path: Path
) -> None:
    api = clients.other("apigatewayv2").create_api(
        Name="stream", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    clients.functions.get_waiter("function_active_v2").wait(FunctionName=function["FunctionName"])
    before = clients.functions.list_functions()["Functions"]
    # What the page sends is a request like any other: with the key, and from no browser, it would be obeyed.
    assert status(running, "POST", f"/2015-03-31/functions{signing(running.keys.root)}", json.dumps(WANTED)) == 201
    clients.functions.delete_function(FunctionName="wanted")

    told = visit(running.endpoint_url, api, tmp_path)

    assert told == {
        "simple": "opaque",  # sent, and the answer kept from the page
        **dict.fromkeys(("read", "preflight", "authorization", "websocket"), "failed"),
    }
    assert clients.functions.list_functions()["Functions"] == before
    assert before[0]["CodeSha256"] == function["CodeSha256"]
