"""The client's commands as part of `./dev`: the stack that runs in this clone is the one that they ask."""

import os
from collections.abc import Iterator

from rich.text import Text

from localstack.errors import Unreachable, UserError
from order_engine.cli.program import DEFAULT_USER, program

# As long as the longest command may take.
_TOKEN_SECONDS = 12 * 3600


def url() -> str:
    """The address of the stack that runs in this clone; never another one's. Raises Unreachable where none runs."""
    from localstack.local_stack import state_file

    try:
        return state_file.find().url
    except UserError as error:
        raise Unreachable(f"{error} Another stack's address can be given with --url.") from error


def url_of(given: str) -> str:
    """The address that was given, else that of the stack that runs here. Raises InvalidUrl, Unreachable."""
    from order_engine.transport import check_url

    return check_url(given) if given else url()


def headers_of(address: str) -> dict[str, str]:
    """What opens the emulator's gate for a stack that was deployed beside the running one: it has no front door.

    Empty for every other address.
    """
    from localstack.local_stack import state_file
    from localstack.local_stack.emulator_gate import DOOR_HEADER

    try:
        running = state_file.find()
    except UserError:
        return {}
    return {DOOR_HEADER: running.door_secret} if address.startswith(f"{running.emulator_url}/") else {}


def token_of(address: str, user: str | None) -> str | None:
    """A token for the service: the caller's own, else one of this clone's issuer where its stack asks for tokens.

    ORDER_ENGINE_TOKEN is the caller's; its subject is whoever it is made for, whatever `user` is.
    """
    from localstack.local_stack import state_file
    from order_engine.cli.program import TOKEN_VARIABLE

    if given := os.environ.get(TOKEN_VARIABLE):
        return given
    try:
        running = state_file.find()
    except UserError:
        return None
    if running.auth != "jwt" or address not in (running.url, running.url.replace("localhost", "127.0.0.1")):
        return None
    from localstack.client.issuer import read_issuer

    return read_issuer().sign(user or DEFAULT_USER, _TOKEN_SECONDS)


def logs(order_id: str) -> Iterator[Text]:
    """What the functions logged about the order."""
    from localstack.logs.log_lines import order_of, readable
    from localstack.logs.log_reader import LogReader
    from localstack.paths import FUNCTION_LOG

    with LogReader(FUNCTION_LOG) as kept:
        for line in kept.existing():
            if order_id in line.text and order_of(line.text) == order_id and (text := readable(line)) is not None:
                yield text


def set_up_program() -> None:
    """Makes the client's commands this program's."""
    program.name = "./dev"
    program.find_url = url
    program.find_headers = headers_of
    program.find_token = lambda address: token_of(address, program.user)
    program.hint = "Check the address, or start a stack with ./dev up."
    program.logs = logs
