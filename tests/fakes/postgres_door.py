"""A door before Postgres that speaks its protocol, as RDS Proxy does: what clients say can be refused and read."""

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104
# What makes RDS Proxy give a client a connection for itself until it leaves ("pinning").
_PINS = re.compile(
    r"^\s*(SET|RESET|PREPARE|DEALLOCATE|EXECUTE|DISCARD|LISTEN|LOAD|DECLARE|CREATE\s+TEMP)\b"
    r"|set_config|\b(nextval|setval)\s*\(|pg_(try_)?advisory_lock",
    re.IGNORECASE,
)


@dataclass
class Door:
    """`startups` are the settings that clients connected with, `statements` all that they had run."""

    url: str
    startups: list[dict[str, str]] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)

    @property
    def pinning(self) -> list[str]:
        """The statements after which a proxy would not share the connection any more."""
        return [statement for statement in self.statements if _PINS.search(statement)]


def _exactly(source: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        piece = source.recv(count - len(received))
        if not piece:
            raise EOFError
        received += piece
    return received


def _startup(client: socket.socket) -> tuple[bytes, dict[str, str]]:
    """The client's first message and the settings in it; offers of encryption are declined."""
    while True:
        (length,) = struct.unpack("!I", head := _exactly(client, 4))
        body = _exactly(client, length - 4)
        if struct.unpack("!I", body[:4])[0] not in (_SSL_REQUEST, _GSS_REQUEST):
            words = body[4:].rstrip(b"\0").decode().split("\0")
            return head + body, dict(zip(words[::2], words[1::2], strict=True))
        client.sendall(b"N")


def _refuse(client: socket.socket, sentence: str) -> None:
    fields = b"".join(
        kind + value.encode() + b"\0" for kind, value in ((b"S", "FATAL"), (b"C", "0A000"), (b"M", sentence))
    )
    client.sendall(b"E" + struct.pack("!I", len(fields) + 5) + fields + b"\0")


def _listen(door: Door, client: socket.socket, server: socket.socket) -> None:
    """Passes the client's messages on and notes its statements."""
    while True:
        head = _exactly(client, 5)
        body = _exactly(client, struct.unpack("!I", head[1:])[0] - 4)
        if head[:1] == b"Q":
            door.statements.append(body.rstrip(b"\0").decode())
        elif head[:1] == b"P":
            door.statements.append(body.split(b"\0")[1].decode())
        server.sendall(head + body)


def _answer(server: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the client has gone
        while piece := server.recv(65536):
            client.sendall(piece)
    client.close()


def _serve(door: Door, client: socket.socket, behind: tuple[str, int]) -> None:
    with client, contextlib.suppress(EOFError, OSError):  # either side has gone: so is the connection
        message, settings = _startup(client)
        door.startups.append(settings)
        if "options" in settings:
            _refuse(client, "Feature not supported: RDS Proxy currently doesn't support command-line options.")
            return
        with socket.create_connection(behind) as server:
            server.sendall(message)
            threading.Thread(target=_answer, args=(server, client), daemon=True).start()
            _listen(door, client, server)


def _accept(door: Door, listener: socket.socket, behind: tuple[str, int]) -> None:
    with contextlib.suppress(OSError):  # the listener is closed: the test is over
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(door, client, behind), daemon=True).start()


@contextmanager
def door_before(database_url: str) -> Iterator[Door]:
    """A door on a port of its own that leads to the database."""
    url = urlsplit(database_url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{listener.getsockname()[1]}")
        door = Door(here.geturl())
        behind = (str(url.hostname), int(url.port or 0))
        threading.Thread(target=_accept, args=(door, listener, behind), daemon=True).start()
        yield door
