"""Sending one call: the connections, the token, the proxy, and what may be sent twice."""

from __future__ import annotations

import asyncio
import json
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Self, TypeAlias

import aiohttp
from yarl import URL

from order_engine import errors
from order_engine.answers import Answer, fields_of, is_transient, seconds_of, transport_error, unexpected
from order_engine.patience import Patience
from order_engine.stream import raise_refused_handshake

TokenSource: TypeAlias = str | Callable[[], str] | None
Query: TypeAlias = Mapping[str, str | int | datetime | None]
_LOOPBACK: Final = ("localhost", "127.", "::1")


class Transport:
    """The connections to the service at one address, and how one call is sent over them."""

    def __init__(
        self,
        url: str,
        *,
        token: TokenSource = None,
        patience: Patience | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url = check_url(url)
        self.patience = patience or Patience()
        self._token = token
        self._headers = dict(headers or {})
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; open streams end."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def request(
        self, method: str, path: str, *, body: Mapping[str, object] | None = None, query: Query | None = None
    ) -> Answer:
        """The answer to one call as it came, for what the client has no method for.

        It may be sent more than once. Raises as every call does.
        """
        number = 0
        while True:
            try:
                return await self._send(method, path, body=body, query=query)
            except errors.OrderEngineError as error:
                number += 1
                # Nothing there at the first try: most likely a wrong address.
                is_wrong = isinstance(error, errors.Unreachable) and number == 1
                if is_wrong or not is_transient(error) or number >= self.patience.tries:
                    raise
                failure = error
            await asyncio.sleep(self.patience.pause_after(failure, number - 1))

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, object] | None = None,
        query: Query | None = None,
        key: str | None = None,
        accepted: tuple[int, ...] = (),
    ) -> Answer:
        """Sends it once."""
        url = URL(f"{self.url}{path}", encoded=True).update_query(text_fields(query or {}))
        headers = {**self._authorization(), **({"Idempotency-Key": key} if key else {})}
        try:
            # A redirect would be followed with a GET.
            async with self._session().request(
                method, url, json=body, headers=headers, allow_redirects=False, proxy=self._proxy(url)
            ) as response:
                text = await response.text(errors="replace")
                answer = Answer(response.status, text, response.headers)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise transport_error(self.url, error) from error
        except ValueError as error:
            raise errors.InvalidHeader(f"The idempotency key or the token can't be sent: {error}.") from error
        if answer.status in accepted or answer.status // 100 == 2:
            return answer
        if answer.status // 100 == 3:
            raise errors.UnexpectedAnswer(
                f"{self.url} sends its callers on to {answer.headers.get('Location', 'nowhere')}: give that address.",
                answer.status,
            )
        problem = fields_of(answer.text)
        if "code" in problem and ("detail" in problem or "title" in problem):
            raise errors.refusal(answer.status, problem, seconds_of(answer.headers.get("Retry-After")))
        raise unexpected(self.url, answer)

    def _authorization(self) -> dict[str, str]:
        token = self._token() if callable(self._token) else self._token
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=self.patience.answer_seconds),
                # As many as there are callers.
                connector=aiohttp.TCPConnector(limit=0),
                json_serialize=json.dumps,
                raise_for_status=raise_refused_handshake,
            )
        return self._http

    def _proxy(self, url: URL) -> str | None:
        """The environment's, except for this machine's own addresses. aiohttp's own way reads .netrc too."""
        host = url.host or ""
        if host.startswith(_LOOPBACK) or urllib.request.proxy_bypass(host):
            return None
        scheme = {"ws": "http", "wss": "https"}.get(url.scheme, url.scheme)
        return urllib.request.getproxies().get(scheme)


def check_url(url: str) -> str:
    """The address without a slash at its end. Raises InvalidUrl."""
    invalid = errors.InvalidUrl(f"The address is what stands before /api, such as http://localhost:3000, not {url!r}.")
    try:
        parsed = URL(url)
    except ValueError as error:
        raise invalid from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query_string or parsed.fragment:
        raise invalid
    return url.rstrip("/")


def order_path(order_id: str) -> str:
    """The path of an order, whatever stands in its id."""
    return f"/api/orders/{urllib.parse.quote(order_id, safe='', errors='replace')}"


def text_fields(fields: Query) -> dict[str, str]:
    """The fields that have a value, as text.

    Halves of characters, as a shell makes them of bytes that are no UTF-8, are replaced.
    """
    return {
        name: value.isoformat() if isinstance(value, datetime) else str(value).encode("utf-8", "replace").decode()
        for name, value in fields.items()
        if value is not None
    }
