"""Where the service is, and what its answers and its silence mean, for the commands that are its clients."""

import errno
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import aiohttp
from yarl import URL

from localstack.errors import NotOver, Unreachable, UserError
from localstack.local_stack import state_file

_SHOWN_LENGTH = 200


@dataclass(frozen=True)
class Placed:
    """An accepted order, and where the service says that it can be followed."""

    order_id: str
    websocket_url: URL


def url_of(given: str) -> str:
    """The service's address: --url, else that of the stack that runs in this clone; never another one's.

    Raises UserError where --url is no address, Unreachable where nothing runs here.
    """
    if not given:
        try:
            return state_file.find().url
        except UserError as error:
            raise Unreachable(f"{error} Another stack's address can be given with --url.") from error
    refusal = UserError(f"--url takes the address in front of /api, such as http://localhost:3000, not {given!r}.")
    try:
        url = URL(given)
    except ValueError as error:
        raise refusal from error
    if url.scheme not in ("http", "https") or not url.host or url.query_string or url.fragment:
        raise refusal
    return given.rstrip("/")


def fields_of(text: str) -> Mapping[str, object]:
    """The fields of a JSON object; none where the text is something else."""
    try:
        parsed = json.loads(text)
    except ValueError:
        return {}
    return cast("Mapping[str, object]", parsed) if isinstance(parsed, dict) else {}


def _reason(error: Exception) -> str:
    match error:
        case TimeoutError():
            reason = "it does not answer in time"
        case aiohttp.ClientConnectorDNSError():
            reason = f"nobody knows the name {error.host}"
        case aiohttp.ClientConnectorCertificateError():
            reason = f"its certificate is not trusted ({error.certificate_error})"
        case aiohttp.ClientConnectorSSLError():
            reason = "it does not speak TLS"
        case aiohttp.ClientConnectorError(errno=errno.ECONNREFUSED):
            reason = "nothing listens there"
        case aiohttp.ClientConnectorError():
            reason = error.os_error.strerror or str(error)
        case aiohttp.ClientResponseError():
            reason = f"it does not speak HTTP as expected ({error.message})"
        case _:
            reason = f"it broke the connection off ({str(error) or type(error).__name__})"
    return reason


def not_reached(url: str, error: Exception) -> Unreachable:
    """What to raise where no connection to the service came about."""
    return Unreachable(f"{url} can't be reached: {_reason(error)}. Check the address, or start a stack with ./dev up.")


def answer_lost(url: str, error: Exception) -> NotOver:
    """What to raise where an order was sent and no answer came."""
    return NotOver(f"{url} took the order and gave no answer: {_reason(error)}. Look your orders up before another.")


def stream_not_reached(placed: Placed, error: Exception) -> NotOver:
    """What to raise where a placed order's stream can't be opened."""
    return NotOver(
        f"The order {placed.order_id} is placed, and its stream {placed.websocket_url} can't be opened: "
        f"{_reason(error)}."
    )


def _foreign(url: str, status: int, text: str) -> Unreachable:
    shown = " ".join(text.split())
    shown = shown if len(shown) <= _SHOWN_LENGTH else f"{shown[:_SHOWN_LENGTH]}…"
    return Unreachable(
        f"{url} answers, but not as this service does ({status}: {shown or 'an empty answer'}). "
        "Check the address; on AWS it ends with the stage, /live."
    )


def _refusal(status: int, problem: Mapping[str, object]) -> UserError:
    """The sentence of a problem response, with every field that it names."""
    errors = problem.get("errors")
    fields = [json.dumps(error, ensure_ascii=False) for error in errors] if isinstance(errors, list) else []
    sentence = problem.get("detail") or problem.get("title")
    text = "\n  ".join([f"The order was refused ({status}): {sentence}", *fields])
    # The front door could not tell what became of it.
    return NotOver(text) if status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT) else UserError(text)


def read_placed(url: str, status: int, text: str) -> Placed:
    """What the answer to a POST of an order says.

    Raises UserError with the service's own sentence where it refuses, Unreachable where it is another service.
    """
    answer = fields_of(text)
    if status == HTTPStatus.ACCEPTED:
        order_id, follow_at = answer.get("orderId"), answer.get("websocketUrl")
        if isinstance(order_id, str) and isinstance(follow_at, str) and follow_at.startswith(("ws://", "wss://")):
            return Placed(order_id, URL(follow_at))
    elif "code" in answer and ("detail" in answer or "title" in answer):
        raise _refusal(status, answer)
    raise _foreign(url, status, text)


async def place(http: aiohttp.ClientSession, url: str, body: Mapping[str, object]) -> Placed:
    """Sends the order, once.

    Raises UserError where it is refused, Unreachable where this service does not answer at `url`, NotOver where
    it is not known whether it was placed.
    """
    try:
        # A redirect would be followed with a GET.
        async with http.post(f"{url}/api/orders/execute", json=body, allow_redirects=False) as answer:
            # An accepted order's own address stands there too.
            location = answer.headers.get("Location")
            if location and answer.status // 100 == HTTPStatus.MULTIPLE_CHOICES // 100:
                raise Unreachable(f"{url} sends orders on to {location}: give that address.")
            return read_placed(url, answer.status, await answer.text(errors="replace"))
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
        raise not_reached(url, error) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise answer_lost(url, error) from error
