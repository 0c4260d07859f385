"""The dashboard: place an order, watch it live, look at what came before."""

from __future__ import annotations

import html
from functools import cache

from chalicelib.domain.tokens import REGISTRY
from chalicelib.http.pages.shell import Page, asset, page


@cache
def dashboard_page(websocket_url: str) -> Page:
    """The page; `websocket_url` is where streams are opened."""
    tokens = "".join(f"<option>{html.escape(token.symbol)}</option>" for token in REGISTRY)
    body = asset("dashboard.html").replace("<!-- tokens -->", tokens)
    return page(
        "Order engine · Dashboard",
        "Dashboard",
        body,
        styles=("base.css", "dashboard.css"),
        scripts=("theme.js", "dashboard_form.js", "dashboard_live.js", "dashboard_recent.js"),
        websocket_url=websocket_url,
    )
