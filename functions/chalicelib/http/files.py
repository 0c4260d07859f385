"""The pages and the specification, as `docs/api/generate.py` and `web/build.mjs` built them into chalicelib/web.

Only what differs between deployments is filled in, once a process: where the API hangs, where streams are opened.
"""

from __future__ import annotations

import hashlib
import html
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from chalicelib.http.problems import Problem, ProblemCode
from chalicelib.http.responses import HttpResponse

WEB = Path(__file__).parents[1].joinpath("web")
CACHE_MAX_AGE_SECONDS = 300
# What a page of ours never asks a browser for.
NO_PERMISSIONS = ", ".join(
    f"{feature}=()" for feature in ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
)
# What the built pages have in the place of a deployment's own values.
WEBSOCKET_URL, WEBSOCKET_ORIGIN, BASE_PATH = "WEBSOCKET_URL", "WEBSOCKET_ORIGIN", "BASE_PATH"


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file as this deployment serves it; its `ETag` changes with its content."""

    text: str
    headers: dict[str, str]

    def response(self, if_none_match: str) -> HttpResponse:
        """The file, or 304 where the client has it already (RFC 9110, 13.1.2)."""
        known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
        if self.headers["ETag"] in known or known == ["*"]:
            return HttpResponse(304, "", self.headers)
        return HttpResponse(200, self.text, self.headers)


@cache
def specification(root: str) -> WebFile:
    """The OpenAPI document; `root` is where the API hangs, such as "/live" or ""."""
    document = {**json.loads(_built("openapi.json")), "servers": [{"url": root or "/"}]}
    return _file(json.dumps(document, separators=(",", ":")), {"Content-Type": "application/json"})


@cache
def stream_specification(websocket_url: str) -> WebFile:
    """The AsyncAPI document; `websocket_url` is where streams are opened."""
    document = json.loads(_built("asyncapi.json"))
    address = urlsplit(websocket_url)
    document["servers"]["stream"] |= {"host": address.netloc, "protocol": address.scheme}
    document["channels"]["stream"]["address"] = address.path
    return _file(json.dumps(document, separators=(",", ":")), {"Content-Type": "application/json"})


@cache
def asset(name: str) -> WebFile:
    """A script or style of the desk; its name changes with its content, so whoever has it never asks again.

    Raises:
        Problem: there is none of that name.
    """
    found = WEB / "assets" / name
    # Only what the folder lists: the name comes from a path.
    if name not in {each.name for each in found.parent.iterdir()}:
        raise Problem(ProblemCode.NOT_FOUND, "There is no such file; reload the page that named it.")
    kind = {".js": "text/javascript", ".css": "text/css"}[found.suffix]
    served = _file(found.read_text(encoding="utf-8"), {"Content-Type": f"{kind}; charset=utf-8"})
    return WebFile(served.text, {**served.headers, "Cache-Control": "public, max-age=31536000, immutable"})


def base_path(root: str, path: str) -> str:
    """What leads from the address of the desk to where the API hangs: a stage may be asked for without its slash."""
    return "" if path.endswith("/") else f"{root.rsplit('/', 1)[-1]}/"


@cache
def page(name: str, websocket_url: str = "", base: str = "") -> WebFile:
    """A page; `websocket_url` is the one address besides ours that it may call, `base` leads to its assets."""
    policy = json.loads(_built("policies.json"))[name].replace(WEBSOCKET_ORIGIN, _origin(websocket_url))
    return _file(
        _built(name).replace(WEBSOCKET_URL, html.escape(websocket_url), 1).replace(BASE_PATH, html.escape(base)),
        {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": policy.replace(" ;", ";"),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": NO_PERMISSIONS,
            "X-Frame-Options": "DENY",
        },
    )


def _built(name: str) -> str:
    return WEB.joinpath(name).read_text(encoding="utf-8")


def _file(text: str, headers: dict[str, str]) -> WebFile:
    tag = hashlib.sha256(text.encode()).hexdigest()[:32]
    return WebFile(
        text, {**headers, "Vary": "Origin", "Cache-Control": f"max-age={CACHE_MAX_AGE_SECONDS}", "ETag": f'"{tag}"'}
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
