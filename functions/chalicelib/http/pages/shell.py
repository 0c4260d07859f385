"""What the pages share: the frame around them, and the policy that lets a browser run nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = Path(__file__).parent
FRESH_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Page:
    """A page and the headers that it needs."""

    html: str
    headers: dict[str, str]


@cache
def asset(name: str) -> str:
    """A file of this folder."""
    return (FOLDER / name).read_text(encoding="utf-8")


def page(
    title: str, here: str, body: str, *, styles: tuple[str, ...], scripts: tuple[str, ...], websocket_url: str = ""
) -> Page:
    """A whole page; `here` names it in the navigation, `websocket_url` is the one address besides ours it may call."""
    style, code = "".join(map(asset, styles)), "".join(map(asset, scripts))
    links = "".join(
        f'<a href="{href}"{" aria-current=page" if name == here else ""}>{name}</a>'
        for name, href in (("Dashboard", "./"), ("Docs", "docs"), ("OpenAPI", "openapi.json"))
    )
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="websocket-url" content="{html.escape(websocket_url)}">
<link rel="icon" href="data:,">
<title>{html.escape(title)}</title>
<style>{style}</style>
</head>
<body>
<header class="bar">
<a class="brand" href="./"><span class="mark"></span>Order engine</a>
<nav aria-label="Pages">{links}<button class="quiet" id="theme" type="button">Light / dark</button></nav>
</header>
{body}
<script>{code}</script>
</body>
</html>
"""
    return Page(
        text,
        {
            "Content-Type": "text/html; charset=utf-8",
            "Cache-Control": f"max-age={FRESH_SECONDS}",
            "Content-Security-Policy": _policy(style, code, websocket_url),
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
        },
    )


def _policy(style: str, code: str, websocket_url: str) -> str:
    rules = {
        "default-src": "'none'",
        "style-src": _digest(style),
        "script-src": _digest(code),
        "img-src": "data:",
        "connect-src": f"'self' {_origin(websocket_url)}".strip(),
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
