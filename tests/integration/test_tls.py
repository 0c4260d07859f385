"""What verify-full makes of a database's certificate: real handshakes of libpq, with a real Postgres behind them.

The embedded Postgres is built without TLS, so a door before it ends the encryption, as RDS Proxy does.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from chalicelib.adapters.postgres.pool import conninfo
from chalicelib.config import DatabaseSettings
from tests.fakes.certificates import Authority

_SSL_REQUEST_BYTES = 8


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        with contextlib.suppress(OSError):  # either side is gone: so is the connection
            while piece := source.recv(65536):
                sink.sendall(piece)
    finally:
        for each in (source, sink):
            each.close()


def _serve(listener: socket.socket, server: Path, behind: tuple[str, int]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        client.recv(_SSL_REQUEST_BYTES)
        client.sendall(b"S")
        try:
            encrypted = context.wrap_socket(client, server_side=True)
        except (ssl.SSLError, OSError):
            client.close()  # the client did not like the certificate
            continue
        postgres = socket.create_connection(behind)
        for pair in ((encrypted, postgres), (postgres, encrypted)):
            threading.Thread(target=_copy, args=pair, daemon=True).start()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The one that the functions trust."""
    authority = Authority.new("The trusted authority")
    monkeypatch.setenv("PGSSLROOTCERT", str(authority.write(tmp_path / "database-ca.pem")))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    return authority


Connect = Callable[[Path], psycopg.Connection]


@pytest.fixture
def connect(database_url: str) -> Iterator[Connect]:
    """Logs in as the functions do, but with a password, through a door that shows the certificate."""
    url = urlsplit(database_url)
    listener = socket.create_server(("127.0.0.1", 0))

    def connect(server: Path) -> psycopg.Connection:
        behind = (str(url.hostname), int(url.port or 0))
        threading.Thread(target=_serve, args=(listener, server, behind), daemon=True).start()
        settings = DatabaseSettings.from_environment(
            {
                "DATABASE_HOST": "localhost",
                "DATABASE_PORT": str(listener.getsockname()[1]),
                "DATABASE_NAME": url.path.removeprefix("/"),
                "DATABASE_USER": str(url.username),
                "AWS_REGION": "us-east-1",
                "PGSSLMODE": "verify-full",
            }
        )
        fresh = conninfo(settings)
        assert callable(fresh)
        return psycopg.connect(fresh(), password=url.password, connect_timeout=5, hostaddr="127.0.0.1")

    yield connect
    listener.close()


def test_a_certificate_of_the_trusted_authority_is_taken(
    connect: Connect, authority: Authority, tmp_path: Path
) -> None:
    with connect(authority.server("localhost", tmp_path / "server.pem")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.pgconn.ssl_in_use


@pytest.mark.usefixtures("authority")
def test_a_certificate_of_another_authority_is_refused(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        connect(Authority.new("Another authority").server("localhost", tmp_path / "server.pem"))


def test_a_certificate_for_another_host_is_refused(connect: Connect, authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        connect(authority.server("elsewhere.example", tmp_path / "server.pem"))
