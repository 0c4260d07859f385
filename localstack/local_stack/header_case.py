"""Header names as they are written: uvicorn would send them all in small letters.

ministack_process.py loads it by its path into the emulator's process.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localstack.local_stack import emulator_gate


class _CasedName(bytes):
    """A header's name that keeps its letters, as hypercorn sends it."""

    def lower(self) -> bytes:
        return self


# What uvicorn itself reads, by names in lower case.
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection"})


def keep_header_case(app: "emulator_gate.App") -> "emulator_gate.App":
    """The application, whose answers' header names come out as they are."""

    async def kept(scope: "emulator_gate.Scope", receive: "emulator_gate.Receive", send: "emulator_gate.Send") -> None:
        async def send_kept(message: "emulator_gate.Message") -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                named = [(n if n.lower() in _FRAMING else _CasedName(n), value) for n, value in headers]
                message = {**message, "headers": named}
            await send(message)

        await app(scope, receive, send_kept)

    return kept
