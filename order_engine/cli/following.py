"""What is shown of an order while it is followed to its end, and the exit status of that end."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from order_engine.cli import text
from order_engine.cli.console import Console, write_line
from order_engine.cli.program import Exit, print_error, print_json, program

if TYPE_CHECKING:
    from order_engine import Client, Event, Order, Placed

_ENDS = {
    "confirmed": Exit.DONE,
    "cancelled": Exit.CANCELLED,
    "expired": Exit.EXPIRED,
    "waiting": Exit.DONE,
}


@dataclass(frozen=True)
class OutputMode:
    """How much is shown, and as what."""

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    @property
    def is_plain(self) -> bool:
        """Lines for a person."""
        return not self.as_json and not self.quiet


class Progress:
    """What is shown of an order while it is followed: lines that stay, and below them, on a terminal, what it does."""

    def __init__(self, output: OutputMode) -> None:
        self._output = output
        self._console = Console()
        self._is_live = output.is_plain and self._console.is_terminal
        self._spinner = Spinner("dots", Text("waiting"), style="dim")
        self._live = Live(self._spinner, console=self._console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_live:
            self._live.stop()

    def line(self, line: Text | str | Table) -> None:
        """Stays there."""
        if self._output.is_plain:
            self._console.print(line, markup=False, soft_wrap=not self._console.is_terminal)

    def event(self, event: "Event") -> None:
        """A new status."""
        if self._output.as_json and self._output.verbose:
            write_line(json.dumps(event_json(event), separators=(",", ":")))
        elif self._output.verbose:
            self.line(text.event_row(event) if self._console.is_terminal else text.event_line(event))
        elif event.status in ("building", "waiting", "expired"):
            self.line(Text(event.message))
        if not event.is_last:
            self._spinner.update(text=Text.assemble(text.status_text(event.status), " ", (event.message, "dim")))


def event_json(event: "Event") -> dict[str, object]:
    """The event with the wire's names."""
    return {
        "orderId": event.order_id,
        "sequence": event.sequence,
        "status": event.status,
        "attempt": event.attempt,
        "at": event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "message": event.message,
        "meta": event.meta,
    }


async def _follow(
    client: "Client", order: "Placed | str", seconds: float, progress: Progress, *, may_rest: bool
) -> "Order":
    """The order as it ended, or rests where that is enough. Raises TimeoutError."""
    async with asyncio.timeout(seconds), aclosing(client.follow(order)) as following:
        last = None
        async for event in following:
            progress.event(event)
            last = event.order or last
            if may_rest and event.status == "waiting":
                return await client.get(event.order_id)
        order_id = order if isinstance(order, str) else order.order_id
        return last if last is not None and last.is_over else await client.get(order_id)


async def follow_to_end(
    client: "Client", order: "Placed | str", seconds: float, output: OutputMode, *, may_rest: bool = False
) -> Exit:
    """Follows the order and shows it until it ends, or rests where that is enough; the status says how it ended."""
    from order_engine.transport import order_path

    order_id = order if isinstance(order, str) else order.order_id
    again = f"{program.name} order watch {order_id}"
    try:
        with Progress(output) as progress:
            done = await _follow(client, order, seconds, progress, may_rest=may_rest)
            for line in text.outcome(done):
                progress.line(line)
            if done.is_resting:
                progress.line(f"{again} goes on watching, {program.name} order amend and cancel change it")
        if output.as_json and not output.verbose:
            print_json((await client.request("GET", order_path(order_id))).text)
    except TimeoutError:
        print_error(f"The order {order_id} did not end within {seconds:.0f} s and goes on: {again} follows it.")
        return Exit.NOT_KNOWN
    return _ENDS.get(done.status, Exit.FAILED)


@contextmanager
def print_when_interrupted(sentences: list[str]) -> Iterator[None]:
    """Says the last of the sentences where Ctrl-C ends what is inside, wherever it was."""
    try:
        yield
    except KeyboardInterrupt:
        for sentence in sentences[-1:]:
            print_error(sentence)
        raise


def interrupted_sentence(order_id: str) -> str:
    """What to print_error where Ctrl-C ends the following, and not the order."""
    return f"interrupted, and the order is not: {program.name} order watch {order_id} goes on watching."
