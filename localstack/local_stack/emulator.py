"""The AWS emulator (MiniStack) as a child process."""

import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from localstack.deployment.aws_target import DEFAULT_REGION, Target
from localstack.errors import UserError
from localstack.local_stack import ministack_process
from localstack.local_stack.emulator_gate import Keys
from localstack.local_stack.ports import LOOPBACK, free_port
from localstack.local_stack.processes import Child, Reaper, StopSequence, start, tail, wait_until
from localstack.paths import FUNCTION_LOG, STATE

_START_SECONDS = 60.0
_START_TRIES = 3
_HEALTH_SECONDS = 2.0
# Nothing in it outlives it: every durable thing is in Postgres. So it is not asked, which would wait for the
# handlers that run; what they were doing is taken up again from the database at the next start.
_STOP_SEQUENCE = StopSequence(((signal.SIGKILL, 10.0),))
# What starts an interpreter; nothing that changes how it or a library works.
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_SCRATCH_PREFIX = "order-engine-emulator-"
# A Unix socket's address, which has 107 bytes, is put some way below the scratch folder.
_LONGEST_SCRATCH = 70
_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108  # made by mkdtemp


@dataclass(frozen=True)
class Emulator:
    """A running emulator; its functions' processes are in its process group."""

    endpoint_url: str
    port: int
    child: Child
    scratch: Path
    keys: Keys = field(repr=False)

    def target(self, region: str = DEFAULT_REGION) -> Target:
        """The emulator as its root."""
        return Target("the emulator", region, self.endpoint_url, self.keys.root)

    def stop(self) -> None:
        """Ends it, with the functions' processes and their unpacked code."""
        self.child.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)


def new_keys() -> Keys:
    """Keys that nobody can guess."""
    return Keys(root=f"OEK{secrets.token_hex(12)}", door=secrets.token_urlsafe(32), salt=secrets.token_urlsafe(32))


def _environment(port: int, scratch: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """A clean environment: functions inherit it, and a developer's AWS settings must not reach them."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {
        **inherited,
        "HOME": str(scratch),  # no ~/.aws
        "TMPDIR": str(scratch),  # where it unpacks the functions
        # Nobody else's, as folders below /tmp are whoever makes them first.
        "STATE_DIR": str(scratch / "state"),
        "S3_DATA_DIR": str(scratch / "s3"),
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,
        "AUTH": "true",  # IAM is enforced: a permission missing in the template fails here as on AWS
        "LOG_LEVEL": "WARNING",  # INFO repeats every line that a function logs
        "LAMBDA_EXECUTOR": "local",
        "LAMBDA_WARM_TTL_SECONDS": "3600",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        # It must neither ask a Docker daemon nor tidy containers there.
        "DOCKER_HOST": f"unix://{scratch}/no-docker.sock",
        "AWS_EC2_METADATA_DISABLED": "true",
        **extra,
    }


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_ministack/health", timeout=_HEALTH_SECONDS) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _scratch() -> Path:
    """A new folder for what it unpacks, with a short path: where temporary files belong if that has one."""
    for place in (None, *_PLACES):
        try:
            folder = tempfile.mkdtemp(prefix=_SCRATCH_PREFIX, dir=place)
        except OSError:
            continue
        if len(os.fsencode(folder)) <= _LONGEST_SCRATCH:
            return Path(folder)
        Path(folder).rmdir()
    # Its address will be too long for forking, which costs time and nothing else.
    STATE.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=_SCRATCH_PREFIX, dir=STATE))


def _launch(
    port: int, log: Path, reaper: Reaper, *, prefix: str, environment: Mapping[str, str], keys: Keys
) -> Emulator:
    scratch = _scratch()
    try:
        reaper.remove_at_end(scratch)
        with tempfile.TemporaryFile(dir=scratch) as handed_over:
            handed_over.write(json.dumps(asdict(keys)).encode())
            handed_over.seek(0)
            child = start(
                "emulator",
                [sys.executable, "-P", ministack_process.__file__, log.with_name(FUNCTION_LOG.name), prefix],
                reaper=reaper,
                stop_sequence=_STOP_SEQUENCE,
                log=log,
                environment=_environment(port, scratch, environment),
                directory=scratch,
                standard_input=handed_over,
            )
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return Emulator(f"http://{LOOPBACK}:{port}", port, child, scratch, keys)


def run(
    log: Path,
    reaper: Reaper,
    *,
    prefix: str = "",
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    keys: Keys | None = None,
) -> Emulator:
    """Starts an emulator and waits until it is healthy.

    What functions whose names begin with `prefix` log is kept beside `log`. Without `port` it gets a free one, without
    `keys` new ones. `environment` is added to what it and every function see. Raises UserError with the end of the log
    where it doesn't start.
    """
    known = keys or new_keys()
    for _ in range(_START_TRIES):
        chosen = port or free_port()
        emulator = _launch(chosen, log, reaper, prefix=prefix, environment=environment or {}, keys=known)

        def has_answered_or_ended(emulator: Emulator = emulator) -> bool:
            return emulator.child.exited is not None or _is_healthy(emulator.endpoint_url)

        wait_until(has_answered_or_ended, _START_SECONDS)
        if emulator.child.exited is None and _is_healthy(emulator.endpoint_url):
            return emulator
        ended = emulator.child.exited is not None
        emulator.stop()
        if not ended:
            break  # it had its time; only a port that was taken meanwhile is worth another try
    raise UserError(f"The AWS emulator did not start ({log}):\n{tail(log)}")
