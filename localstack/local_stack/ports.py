"""Free and taken TCP ports of this machine."""

import errno
import os
import socket

from localstack.errors import UserError

LARGEST = 65535
LOOPBACK = "127.0.0.1"
_CONNECT_SECONDS = 0.5


def free_port(host: str = LOOPBACK) -> int:
    """A port that nobody listens on right now; the kernel does not hand it out again at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def has_ipv6_loopback() -> bool:
    """Whether ::1 can be bound here; clients that resolve `localhost` may try it first."""
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def reachable(host: str) -> str:
    """Where a client on this machine reaches a listener on `host`."""
    return {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104  # compared with, not bound to


def is_taken(host: str, port: int) -> bool:
    """Whether somebody answers on the port, or it can't be bound.

    Both are tried: a listener on every address does not always keep a more specific address from being bound.
    """
    target = reachable(host)
    try:
        with socket.socket(_family(target), socket.SOCK_STREAM) as client:
            client.settimeout(_CONNECT_SECONDS)
            if client.connect_ex((target, port)) == 0:
                return True
        with socket.socket(_family(host), socket.SOCK_STREAM) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((host, port))
    except PermissionError as error:
        raise UserError(
            f"Port {port} needs more rights than you have: choose one above 1023, e.g. PORT=3000 ./dev up."
        ) from error
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise UserError(
                f"ORDER_ENGINE_HOST={host} is no address of this machine: leave it out, or take 127.0.0.1 or 0.0.0.0."
            ) from error
        return True
    return False


def require_free(hosts: tuple[str, ...], port: int) -> None:
    """Raises the one sentence for a port that is taken on any of the addresses."""
    if any(is_taken(host, port) for host in hosts):
        another = port + 1 if port < LARGEST else port - 1
        # The one that counts where both are set.
        name = "ORDER_ENGINE_PORT" if os.environ.get("ORDER_ENGINE_PORT") else "PORT"
        raise UserError(
            f"Port {port} is taken by another program: stop it, or choose another: {name}={another} ./dev up"
        )
