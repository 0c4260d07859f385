"""Whether the front door may listen where it is told to: without authentication, the network is no place for it."""

import ipaddress
import os
import socket
from collections.abc import Iterable

from localstack.errors import UserError

CONSENT = "ORDER_ENGINE_OPEN_TO_NETWORK"


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches it; a name by everything that it stands for."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return True  # nothing to listen on either, which the port's check says
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def refuse_open_to_network(hosts: Iterable[str], auth_mode: str) -> None:
    """Raises UserError where others than this machine would reach a service that asks nobody who they are."""
    if auth_mode == "jwt" or os.environ.get(CONSENT, "").strip().lower() == "yes":
        return
    for host in hosts:
        if not _is_loopback(host):
            raise UserError(
                f"ORDER_ENGINE_HOST={host} would let everybody in the network place and cancel anybody's orders: start "
                f"./dev up --auth jwt, or say {CONSENT}=yes if that is meant."
            )
