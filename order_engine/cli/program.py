"""What differs between `order-engine` and `./dev`, and what all commands do alike: connect, explain failures, end."""

import asyncio
import base64
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer
from rich.text import Text

from order_engine.cli import signals
from order_engine.cli.console import write_line

if TYPE_CHECKING:
    from order_engine import Client

T = TypeVar("T")
DEFAULT_USER = "dev"
URL_VARIABLE, TOKEN_VARIABLE = "ORDER_ENGINE_URL", "ORDER_ENGINE_TOKEN"


class Exit(IntEnum):
    """The exit statuses, beside 128 + N for signal N (130: Ctrl-C)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    UNREACHABLE = 4
    NOT_KNOWN = 5
    REFUSED = 6
    EXPIRED = 7


EXITS = (
    "Exit status: 0 done (an order: confirmed, or resting), 1 failed, 2 wrong arguments, 3 cancelled, 4 no service "
    "answers, 5 timed out or not known how it ends, 6 refused, 7 expired, 74 the output can't be written, 130 ended by "
    "Ctrl-C."
)


class NoAddress(Exception):
    """Nobody said where the service is; the text says how to."""


def _url_from_environment() -> str:
    url = os.environ.get(URL_VARIABLE, "")
    if not url:
        raise NoAddress(f"Say where the service is: --url http://localhost:3000, or {URL_VARIABLE}.")
    return url


@dataclass
class Program:
    """The command line that the commands are part of."""

    name: str = "order-engine"
    # Where the service is and who asks, without --url and --token.
    find_url: Callable[[], str] = _url_from_environment
    find_token: Callable[[str], str | None] = field(default=lambda _url: os.environ.get(TOKEN_VARIABLE) or None)
    # Whose orders the command is about, where it says so.
    user: str | None = None
    find_headers: Callable[[str], Mapping[str, str]] = field(default=lambda _url: {})
    hint: str = "Check the address."
    # What the functions logged about an order, where this machine has it.
    logs: Callable[[str], Iterable[Text]] | None = None


# ./dev puts its own values here before a command runs.
program = Program()

Url = Annotated[str, typer.Option("--url", help="Of the service, what stands before /api.", show_default=False)]
Bearer = Annotated[str, typer.Option("--token", help=f"Bearer token; else {TOKEN_VARIABLE}.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="The service's own JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only what a script needs.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Every detail.")]


def connect(url: str, token: str) -> "Client":
    """A client of the service at --url, else where the program finds it."""
    from order_engine import Client

    address = url or program.find_url()
    return Client(
        address,
        token=token or (lambda: program.find_token(address) or ""),
        headers=program.find_headers(address),
    )


def read_claims(token: str) -> Mapping[str, object]:
    """What a token says; nothing where it is none. Whether it holds, the service finds out."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def subject_of(token: str | None) -> str | None:
    """Whose token it is, as it says itself; None where it says nothing."""
    subject = read_claims(token or "").get("sub")
    return subject if isinstance(subject, str) else None


def user_of(user: str | None, url: str, token: str) -> str:
    """Whose order it becomes: the user that is named, else whom the token is for, else `dev`."""
    from order_engine import OrderEngineError

    program.user = user
    if user or token:
        return user or subject_of(token) or DEFAULT_USER
    try:
        return subject_of(program.find_token(url or program.find_url())) or DEFAULT_USER
    except (OrderEngineError, NoAddress):  # that there is no service, `run` says in a moment
        return DEFAULT_USER


def run(work: Callable[["Client"], Awaitable[T]], url: str, token: str) -> T:
    """What the work with a client returns; its failures end the command as `fail` says."""
    from order_engine import OrderEngineError

    async def connected() -> T:
        async with connect(url, token) as client:
            return await work(client)

    try:
        return asyncio.run(connected())
    except (OrderEngineError, NoAddress) as error:
        fail(error)


def exit_status(error: Exception) -> Exit:
    """The exit status for a failure."""
    from order_engine import errors

    match error:
        case NoAddress() | errors.InvalidUrl() | errors.InvalidHeader():
            return Exit.USAGE
        case errors.Unreachable() | errors.UnexpectedAnswer():
            return Exit.UNREACHABLE
        case errors.Refused() | errors.StreamRefused():
            return Exit.REFUSED
    return Exit.NOT_KNOWN


def explain(error: Exception) -> str:
    """What to print_error of a failure: what happened and what to do."""
    needs_hint = exit_status(error) is Exit.UNREACHABLE and not str(error).endswith("/live.")
    return f"{error} {program.hint}" if needs_hint else str(error)


def fail(error: Exception) -> NoReturn:
    """Says on standard error what happened, in one sentence, and ends the command."""
    print_error(explain(error))
    raise typer.Exit(exit_status(error))


def print_error(sentence: str) -> None:
    """One line on standard error, after the program's name."""
    signals.print_error(program.name.removeprefix("./"), sentence)


def print_json(text: str) -> None:
    """A JSON document, indented, as it came but with everything that a terminal could take amiss written as escapes."""
    import msgspec

    write_line(escape_json(msgspec.json.format(text, indent=2)))


def escape_json(text: str) -> str:
    """JSON in ASCII: the same document."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(_escape(character) for character in text)


def _escape(character: str) -> str:
    if character == "\n" or (character.isascii() and character.isprintable()):
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
