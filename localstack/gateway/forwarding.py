"""What of a request and of an answer passes the front door."""

from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from localstack.local_stack.emulator_gate import DOOR_HEADER

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# `Host` names the front door; the emulator would route by it. The length is set by whoever writes the body.
_NOT_FORWARDED = _HOP_BY_HOP | {"host", "content-length", "expect", "forwarded", DOOR_HEADER}
_NOT_ANSWERED = _HOP_BY_HOP | {"content-length"}


@dataclass(frozen=True)
class Upstream:
    """The addresses of the two APIs, without a slash at the end, and what the emulator's gate lets the door in for."""

    rest_url: str
    websocket_url: str
    door_secret: str = field(default="", repr=False)


def _end_to_end(headers: CIMultiDictProxy[str], dropped: frozenset[str]) -> CIMultiDict[str]:
    """The headers without those of one connection only, named by the standard or by `Connection`."""
    named = {name.strip().lower() for value in headers.getall("Connection", ()) for name in value.split(",")}
    return CIMultiDict(
        (name, value)
        for name, value in headers.items()
        if (lowered := name.lower()) not in dropped and lowered not in named
    )


def forwarded_headers(request: web.BaseRequest, to: Upstream) -> CIMultiDict[str]:
    """The request's headers as the upstream gets them, with who asked for what.

    What the client says of that itself is dropped: nothing that can be trusted stands in front of this door.
    """
    headers = _end_to_end(request.headers, _NOT_FORWARDED)
    for name in {name for name in headers if name.lower().startswith("x-forwarded-")}:
        headers.popall(name, None)
    if to.door_secret:
        headers[DOOR_HEADER] = to.door_secret
    headers["X-Forwarded-For"] = request.remote or "unknown"
    headers["X-Forwarded-Proto"] = request.scheme
    host = request.headers.get("Host")
    if host is not None:
        headers["X-Forwarded-Host"] = host
        port = host.rpartition(":")[2]
        headers["X-Forwarded-Port"] = port if port.isdigit() else "80"
    return headers


def answer_headers(status: int, headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """An answer's headers as the client gets them; a 426 names what to upgrade to (RFC 9110, 15.5.22)."""
    passed = _end_to_end(headers, _NOT_ANSWERED)
    if status == HTTPStatus.UPGRADE_REQUIRED and "Upgrade" in headers:
        passed["Upgrade"] = headers["Upgrade"]
        passed["Connection"] = "Upgrade"
    return passed


def path_and_query(request: web.BaseRequest) -> str:
    """What stands after the host, exactly as it was sent; of a whole URL (RFC 9112, 3.2.2), its path and query."""
    sent = request.raw_path
    return (request.rel_url.raw_path_qs or "/") if sent.lower().startswith(("http://", "https://")) else sent
