"""Free and taken ports."""

import socket

import pytest

from localstack.errors import UserError
from localstack.local_stack import ports
from localstack.local_stack.ports import free_port, has_ipv6_loopback, is_taken, require_free


def test_a_free_port_is_free() -> None:
    require_free(("127.0.0.1",), free_port())


@pytest.mark.parametrize("listener", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("wanted", ["127.0.0.1", "0.0.0.0"])
def test_a_listener_takes_the_port(listener: str, wanted: str) -> None:
    with socket.create_server((listener, 0)) as server:
        assert is_taken(wanted, server.getsockname()[1])


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1"])
def test_a_host_that_is_not_here(host: str) -> None:
    with pytest.raises(UserError, match=f"ORDER_ENGINE_HOST={host} is no address of this machine"):
        require_free((host,), free_port())


def test_the_sentence_names_the_port_and_another_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError, match=rf"Port {port} is taken.*PORT={port + 1} ./dev up$"):
            require_free(("127.0.0.1",), port)


def test_beside_the_last_port_it_names_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_taken", lambda host, port: True)
    with pytest.raises(UserError, match=r"PORT=65534 ./dev up$"):
        require_free(("127.0.0.1",), 65535)


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no IPv6 loopback")
def test_a_listener_on_ipv6_takes_the_port_of_localhost() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server, pytest.raises(UserError):
        require_free(("127.0.0.1", "::1"), server.getsockname()[1])
