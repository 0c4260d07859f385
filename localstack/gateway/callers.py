"""Who may ask the front door: by which of its names, from which page, and without AWS's credentials.

A page whose own name was made to lead here (DNS rebinding) asks by that name; a page of another origin names itself in
`Origin`, also where it may not read the answer.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from aiohttp import web

from localstack.gateway.forwarding import path_and_query
from localstack.gateway.problems import malformed, problem
from localstack.local_stack.emulator_gate import KEY_PARAMETERS

_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^][:/@?#\\\s]+)(?::(\d{1,5}))?", re.IGNORECASE)
_ORIGIN = re.compile(rf"(https?)://{_AUTHORITY.pattern}", re.IGNORECASE)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host.lower()


class Callers:
    """The door's names and the pages that may ask.

    `names` come on top of the loopback ones and of the address that a connection came in on; `public_url` is what
    clients are told; `allowed_origins` as the template's AllowedOrigins, a list separated by commas.
    """

    def __init__(self, names: Iterable[str] = (), public_url: str = "", allowed_origins: str = "") -> None:
        public = urlsplit(public_url)
        public_names = (public.hostname or "",)
        self._names = frozenset(_bracketed(name.strip()) for name in (*_LOCAL, *public_names, *names) if name.strip())
        self.allowed = frozenset(filter(None, allowed_origins.split(",")))
        self._origins = self.allowed | {f"{public.scheme}://{public.netloc}".lower()}

    def refusal(self, request: web.BaseRequest) -> web.Response | None:
        """Why nobody behind the door hears of the request; None where it may pass."""
        hosts = request.headers.getall("Host", ())
        if len(hosts) != 1:
            return malformed("A request names the host that it is for in one Host header.")
        sent = request.raw_path.lower()
        asked = [*hosts, *([urlsplit(sent).netloc] if sent.startswith(("http://", "https://")) else [])]
        matches = [_AUTHORITY.fullmatch(each) for each in asked]
        if not all(match and self._is_ours(match[1], request) for match in matches):
            return problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "misdirected_request",
                "This service does not answer by that name: ask for localhost, or name it in "
                "ORDER_ENGINE_ALLOWED_HOSTS before ./dev up.",
                closes=True,
            )
        port = matches[0][2] if matches[0] else None
        # A preflight does nothing, and its answer says who may ask.
        if request.method != "OPTIONS" and not all(
            self._may_ask(origin, port, request) for origin in request.headers.getall("Origin", ())
        ):
            return problem(
                HTTPStatus.FORBIDDEN,
                "origin_not_allowed",
                "Pages of that origin may not ask this service: name it in AllowedOrigins, e.g. "
                "./dev up --set AllowedOrigins=https://app.example.",
            )
        return _refuse_credentials(request)

    def _is_ours(self, name: str, request: web.BaseRequest) -> bool:
        address = request.transport.get_extra_info("sockname") if request.transport is not None else None
        return name.lower() in self._names or bool(address and name.lower() == _bracketed(str(address[0])))

    def _may_ask(self, origin: str, port: str | None, request: web.BaseRequest) -> bool:
        """Whether the page is one of ours (any of our names, with the port that it asks at), or one that is allowed."""
        if "*" in self.allowed or origin.lower() in self._origins or origin in self.allowed:
            return True
        match = _ORIGIN.fullmatch(origin)
        if match is None or not self._is_ours(match[2], request):
            return False
        default = _DEFAULT_PORTS[match[1].lower()]
        return (match[3] or default) == (port or default)


def _refuse_credentials(request: web.BaseRequest) -> web.Response | None:
    path, _, query = path_and_query(request).partition("?")
    named = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
    signed = any(value.lstrip().upper().startswith("AWS") for value in request.headers.getall("Authorization", ()))
    if signed or named & KEY_PARAMETERS:
        return problem(
            HTTPStatus.BAD_REQUEST,
            "aws_credentials",
            "This service takes no AWS credentials: leave out Authorization: AWS…, X-Amz-Credential, AWSAccessKeyId.",
        )
    if "/@connections" in unquote(unquote(path)):
        return problem(HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this path: look it up in /docs.")
    return None
