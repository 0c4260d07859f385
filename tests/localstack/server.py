"""A real LocalStack on this machine, without Docker: its own environment, its own folder, one process group."""

import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localstack.deployment import tools
from localstack.errors import UserError
from localstack.local_stack.ports import LOOPBACK, free_port
from localstack.local_stack.processes import Reaper, StopSequence, start, tail, wait_until
from localstack.packaging import interpreters
from localstack.paths import ROOT

PYTHON = "python3.13"
MISSING = f"LocalStack needs {PYTHON}, which is neither on the path nor among pyenv's or uv's versions"
HOST = Path(__file__).parent / "host"
_START_SECONDS = 120.0
_STOP_SEQUENCE = StopSequence(((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)))


@dataclass(frozen=True)
class Server:
    """A LocalStack that answers at `host` (host:port); what it and its functions print is in `folder`."""

    host: str
    folder: Path
    python: Path

    @property
    def endpoint_url(self) -> str:
        return f"http://{self.host}"

    def function_log(self, logical_id: str) -> str:
        """What the processes of a function printed so far."""
        logs = sorted((self.folder / "functions").glob(f"*-{logical_id}-*.log"))
        return "".join(path.read_text() for path in logs)


def environment(port: int, folder: Path) -> Mapping[str, str]:
    """What LocalStack runs with. Nothing of a developer's: a token, a proxy or a profile would lead it elsewhere."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "GATEWAY_LISTEN": f"{LOOPBACK}:{port}",
        "LOCALSTACK_HOST": f"localhost:{port}",
        "FILESYSTEM_ROOT": str(folder / "files"),
        "FUNCTION_LOGS": str(folder / "functions"),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        # It asks nobody on the net.
        "DNS_ADDRESS": "0",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        # The plugins in host/.
        "LAMBDA_RUNTIME_EXECUTOR": "host",
        "PROVIDER_OVERRIDE_DYNAMODB": "moto",
        # WebSocket APIs and dashboards are not in this edition: their resources come to nothing.
        "CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES": "1",
    }


def installed() -> Path:
    """LocalStack's interpreter, installed at the first use. Raises UserError where there is no Python for it."""
    python = interpreters.find(PYTHON)
    if python is None:
        raise UserError(MISSING)
    return tools.install(
        tools.Tool("python", HOST / "requirements.txt", ROOT / ".venv-localstack", python, HOST), print
    )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_localstack/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def run(python: Path, folder: Path) -> Iterator[Server]:
    """A running LocalStack with its files in the folder. Raises UserError with its log where it doesn't start."""
    port = free_port()
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    server = Server(f"localhost:{port}", folder, python)
    with Reaper() as reaper:
        child = start(
            "LocalStack",
            [python, "-m", "localstack.runtime.main"],
            reaper=reaper,
            stop_sequence=_STOP_SEQUENCE,
            log=folder / "localstack.log",
            environment=environment(port, folder),
            directory=folder,
        )
        try:
            wait_until(lambda: child.exited is not None or _answers(server.endpoint_url), _START_SECONDS, 0.2)
            if not _answers(server.endpoint_url):
                raise UserError(f"LocalStack did not start:\n{tail(folder / 'localstack.log', 30)}")
            yield server
        finally:
            child.stop()
