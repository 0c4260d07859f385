"""Everything that the stack needs on one machine: Postgres, emulator, migrations, the deployed stack."""

import functools
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

from localstack.deployment.aws_clients import Clients
from localstack.errors import UserError
from localstack.gateway.forwarding import Upstream
from localstack.local_stack import cloudformation, emulator, postgres, state_file
from localstack.local_stack.cloudformation import Outputs
from localstack.local_stack.processes import Reaper
from localstack.packaging import source_zip
from localstack.paths import FUNCTION_LOG, ROOT

STACK_NAME = "order-engine"
_BUCKET = "deployment"
_SCHEDULED_EVENT = json.dumps(
    {
        "version": "0",
        "id": "start-of-the-local-runtime",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": "1970-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {},
    }
).encode()
_Part = TypeVar("_Part")


def _ignore(_: str) -> None:
    pass


@dataclass(frozen=True)
class Settings:
    """What to run and where its files are. `parameters` are the template's."""

    public_url: str
    data: Path
    logs: Path
    durable: bool = True
    parameters: Mapping[str, str] = field(default_factory=dict)
    emulator_environment: Mapping[str, str] = field(default_factory=dict)
    template: Path = ROOT / "template.yaml"
    stack_name: str = STACK_NAME

    @property
    def function_log(self) -> Path:
        """Where the lines that functions log are kept."""
        return self.logs / FUNCTION_LOG.name


def _started(part: _Part | None) -> _Part:
    if part is None:
        raise UserError("The local stack has not been started.")
    return part


class Runtime:
    """Starts, redeploys and ends the local stack; one thread at a time may use it, and another one stop it.

    A context manager: leaving it ends every process, also after a start that failed half-way. `parameters` are the
    template parameters of the next deployment, `keys` the emulator's.
    """

    def __init__(
        self,
        settings: Settings,
        report: Callable[[str], None] = _ignore,
        *,
        on_emulator: Callable[[str], None] = _ignore,
    ) -> None:
        """`on_emulator` hears the emulator's address each time that it was started."""
        self.settings = settings
        self._report = report
        self._on_emulator = on_emulator
        self._reaper = Reaper()
        self._stopping = threading.Event()
        self.parameters: Mapping[str, str] = settings.parameters
        self.keys = emulator.new_keys()
        self._postgres: postgres.Postgres | None = None
        self._emulator: emulator.Emulator | None = None
        self._outputs: Outputs | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def database_url(self) -> str:
        """Postgres's address with its password."""
        return _started(self._postgres).url

    @property
    def emulator_url(self) -> str:
        """The emulator's address."""
        return _started(self._emulator).endpoint_url

    @property
    def scratch(self) -> Path:
        """Where the emulator unpacks the functions; another folder after each of its starts."""
        return _started(self._emulator).scratch

    @functools.cached_property
    def clients(self) -> Clients:
        """Clients of the emulator; its address and its keys stay the same when it is started again."""
        return Clients(_started(self._emulator).target())

    @property
    def outputs(self) -> Outputs:
        """What the deployed stack tells about itself."""
        return _started(self._outputs)

    def running(self, url: str) -> state_file.Running:
        """What other commands need to know of it, where its front door is at `url`."""
        return state_file.Running(
            pid=os.getpid(),
            url=url,
            emulator_url=self.emulator_url,
            database_url=self.database_url,
            stack_name=self.settings.stack_name,
            access_key=self.keys.root,
            door_secret=self.keys.door,
            auth=self.parameters.get("AuthMode", "open"),
        )

    @property
    def upstream(self) -> Upstream:
        """Where the front door forwards to."""
        return Upstream(self.outputs.rest_url, self.outputs.websocket_url, self.keys.door)

    def start(self) -> None:
        """Starts everything; raises UserError where a part doesn't come up."""
        with ThreadPoolExecutor(2) as pool:
            database, services = pool.submit(self._start_database), pool.submit(self.start_emulator)
            try:
                database.result()
                services.result()
            except BaseException:
                # The pool waits for its threads: they end at once when what they wait for is gone.
                self._reaper.close()
                raise
        self.deploy()

    def _start_database(self) -> None:
        settings = self.settings
        self._postgres = postgres.run(
            settings.data, settings.logs / "postgres.log", self._reaper, durable=settings.durable
        )
        self._report("Postgres runs")
        self._migrate()

    def _migrate(self) -> None:
        from infra.migrations.migrate import MigrationError, upgrade
        from infra.migrations.roles import prepare_login

        try:
            upgrade(self.database_url)
            prepare_login(self.database_url)
        except MigrationError as error:
            raise UserError(str(error)) from error
        self._report("The database is migrated")

    def start_emulator(self) -> None:
        """Starts the emulator, at the address that it had before where it was killed. It is empty then."""
        port = self._emulator.port if self._emulator is not None else None
        self._emulator = emulator.run(
            self.settings.logs / "emulator.log",
            self._reaper,
            prefix=f"{self.settings.stack_name}-",
            port=port,
            keys=self.keys,
            environment=self.settings.emulator_environment,
        )
        self._report("The AWS emulator runs")
        self.clients.s3.create_bucket(Bucket=_BUCKET)
        self._on_emulator(self.emulator_url)

    def kill_emulator(self) -> None:
        """Ends the emulator and every function at once, as a crash would."""
        _started(self._emulator).stop()

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called: what still goes on in another thread must give up."""
        return self._stopping.is_set()

    @property
    def crashed_process(self) -> str | None:
        """The name of a process that ended by itself, None while all run."""
        children = (_started(self._postgres).child, _started(self._emulator).child)
        return next((child.name for child in children if child.exited is not None), None)

    def restart_crashed(self) -> None:
        """Starts what ended by itself again and deploys anew."""
        if _started(self._postgres).child.exited is not None:
            _started(self._postgres).stop()
            self._start_database()
        if _started(self._emulator).child.exited is not None:
            self.kill_emulator()
            self.start_emulator()
        self.deploy()

    def deploy(self, **parameters: str) -> Outputs:
        """Deploys the stack, with these parameters changed from the last time."""
        self.parameters = {**self.parameters, **parameters}
        minor = min(sys.version_info.minor, 14)
        self._outputs = cloudformation.deploy(
            self.clients,
            cloudformation.Deployment(
                name=self.settings.stack_name,
                path=self.settings.template,
                bucket=_BUCKET,
                package=functools.partial(source_zip.build, compiled=True),
                parameters={
                    "DatabaseUrl": self.database_url,
                    "GatewayBaseUrl": f"{self.emulator_url}/_aws/execute-api",
                    "PublicUrl": self.settings.public_url,
                    # One client, which measures, may have all that there is.
                    "ThrottleRate": "1000",
                    "ThrottleBurst": "2000",
                    "WebSocketThrottleRate": "1000",
                    "WebSocketThrottleBurst": "2000",
                    "PythonRuntime": f"python3.{minor}",  # the emulator runs the one that runs this anyway
                    "MigrationsDigest": source_zip.build(ROOT / "infra" / "migrations").digest,
                    **self.parameters,
                },
            ),
        )
        self._report("The stack is deployed")
        return self._outputs

    def reconcile(self) -> None:
        """Calls the reconcile function as its schedule does: orders that a crash interrupted go on."""
        name = self.outputs.function_names["Reconcile"]
        answer = self.clients.functions.invoke(FunctionName=name, Payload=_SCHEDULED_EVENT)
        if "FunctionError" in answer:
            reason = answer["Payload"].read().decode(errors="replace")
            raise UserError(f"The reconcile function failed: {reason}")

    def stop(self) -> None:
        """Ends everything that was started; safe to call twice, and while another thread starts things.

        That thread finds its processes gone, and what it starts from then on ends with the reaper.
        """
        self._stopping.set()
        if self._emulator is not None:
            self.clients.close()
        # At the same time; what the emulator unpacked, the reaper removes.
        children = [part.child for part in (self._emulator, self._postgres) if part is not None]
        enders = [threading.Thread(target=child.stop, name=f"end {child.name}") for child in children]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()
        self._reaper.close()
