"""`dlq`: messages that no worker could process."""

import json
from collections.abc import Sequence
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape
from rich.table import Table

from localstack.client.dead_letter_archive import Archive, DeadLetter
from localstack.errors import UserError
from localstack.local_stack import state_file
from order_engine.cli.console import Console

_BODY_WIDTH = 60


def _arrival(letter: DeadLetter) -> str:
    return letter.arrived_at.strftime("%Y-%m-%d %H:%M:%S")


def _order_of(letter: DeadLetter) -> str:
    if letter.order_id is None:
        return escape(letter.body[:_BODY_WIDTH])
    return f"{escape(letter.order_id)} ({letter.order_status or 'unknown'})"


def list_letters(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, the newest first.")] = 20,
) -> None:
    """Lists the archived messages, and counts those that still wait in the dead-letter queues."""
    console = Console()
    with Archive(state_file.find()) as archive:
        letters, waiting = archive.newest(limit), archive.in_queues()
    if letters:
        table = Table("arrived (UTC)", "message", "order or body", "deliveries", "verdict", "sent again", box=None)
        for letter in letters:
            again = letter.redriven_at.strftime("%H:%M:%S") if letter.redriven_at else ""
            table.add_row(
                _arrival(letter),
                letter.message_id,
                _order_of(letter),
                str(letter.receive_count),
                escape(letter.verdict),
                again,
            )
        console.print(table)
    else:
        console.print("No message has died.")
    for name, count in waiting.items():
        if count:
            console.print(f"{count} more in the dead-letter queue of {name}.")


def show(name: Annotated[str, typer.Argument(metavar="ID", help="A message's id or an order's.")]) -> None:
    """Shows a message, why it died, and what became of its order."""
    console = Console()
    with Archive(state_file.find()) as archive:
        for letter in archive.find(name):
            console.print(f"[bold]{letter.message_id}[/bold]", soft_wrap=True)
            console.print(f"  arrived     {_arrival(letter)} UTC after {letter.receive_count} deliveries")
            console.print(f"  verdict     {escape(letter.verdict)}", soft_wrap=True)
            console.print(f"  sent again  {letter.redriven_at or 'never'}")
            console.print(f"  body        {escape(_format_body(letter.body))}", soft_wrap=True)
            if letter.order_id is None:
                continue
            console.print(f"  order       {_order_of(letter)}", soft_wrap=True)
            if letter.order_error:
                console.print(f"  error       {escape(letter.order_error)}", soft_wrap=True)
            for event in archive.events(letter.order_id):
                clock = event.occurred_at.strftime("%H:%M:%S.%f")[:-3]
                console.print(
                    f"    {clock}  {event.sequence}  {event.status:<10} {escape(event.message)}", soft_wrap=True
                )


def _format_body(body: str) -> str:
    try:
        return json.dumps(json.loads(body))
    except ValueError:
        return body


def redrive(
    names: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of messages or of orders.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every message that was not sent again yet.")] = False,
) -> None:
    """Sends messages to the workers again; an order that is over stays as it is."""
    if bool(names) == everything:
        raise UserError("Name the messages or orders to send again, or say --all.")
    console = Console()
    with Archive(state_file.find()) as archive:
        letters = (
            archive.not_redriven() if everything else [found for name in names or () for found in archive.find(name)]
        )
        try:
            _redrive_all(archive, letters, console)
        except (BotoCoreError, ClientError) as error:
            raise UserError(f"The orders queue does not answer ({error}): try again in a moment.") from error
    if not letters:
        console.print("Nothing to send: every message was sent again already.")


def _redrive_all(archive: Archive, letters: Sequence[DeadLetter], console: Console) -> None:
    for letter in letters:
        archive.redrive(letter)
        note = f"; its order is {letter.order_status} and stays so" if letter.order_is_over else ""
        console.print(f"Sent {letter.message_id} again{note}.", soft_wrap=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Messages that no worker could process.")
    group.command("list")(list_letters)
    group.command()(show)
    group.command()(redrive)
    app.add_typer(group, name="dlq")
