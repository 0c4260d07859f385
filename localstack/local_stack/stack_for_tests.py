"""The whole stack for tests: its own database, emulator, deployment and front door, all on free ports."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from localstack.deployment.aws_clients import Clients
from localstack.environment import adopt_clean_environment
from localstack.gateway.front_door_thread import FrontDoorThread
from localstack.local_stack.cloudformation import Outputs
from localstack.local_stack.ports import LOOPBACK, free_port
from localstack.local_stack.runtime import Runtime, Settings
from localstack.local_stack.warmup import warm


@dataclass(frozen=True)
class Stack:
    """A deployed stack behind a front door. `base_url` and `ws_url` stay the same for its whole life."""

    base_url: str
    ws_url: str
    logs: Path
    runtime: Runtime
    door: FrontDoorThread

    @property
    def database_url(self) -> str:
        """Postgres's address."""
        return self.runtime.database_url

    @property
    def emulator_url(self) -> str:
        """The emulator's address; the same after `start_emulator`."""
        return self.runtime.emulator_url

    @property
    def clients(self) -> Clients:
        """Clients of the emulator, as its root."""
        return self.runtime.clients

    @property
    def outputs(self) -> Outputs:
        """The stack's outputs, e.g. `outputs["OrdersQueueUrl"]`."""
        return self.runtime.outputs

    @property
    def function_names(self) -> Mapping[str, str]:
        """Function names by logical name without `Function`, e.g. `function_names["ExecuteOrders"]`."""
        return self.runtime.outputs.function_names

    def redeploy(self, **parameters: str) -> Outputs:
        """Updates the stack with these template parameters changed; they stay until changed again."""
        outputs = self.runtime.deploy(**parameters)
        self.door.upstream = self.runtime.upstream
        return outputs

    @contextmanager
    def deployed_with(self, **parameters: str) -> Iterator[None]:
        """Parameters for one test: the earlier values come back at the end."""
        before = self.runtime.parameters
        self.redeploy(**parameters)
        try:
            yield
        finally:
            self.runtime.parameters = before
            self.redeploy()

    def reconcile(self) -> None:
        """Calls the reconcile function as its schedule does."""
        self.runtime.reconcile()

    def kill_emulator(self) -> None:
        """Ends the emulator, its queues, tables and every running function, as a crash would."""
        self.runtime.kill_emulator()

    def start_emulator(self) -> None:
        """Starts an empty emulator and deploys the stack into it; the database is as it was."""
        self.door.upstream = None
        self.runtime.start_emulator()
        self.redeploy()


@contextmanager
def boot(
    folder: Path,
    *,
    parameters: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
    durable: bool = False,
    on_emulator: Callable[[str], None] = lambda _: None,
) -> Iterator[Stack]:
    """A running stack with its files below `folder`.

    `parameters` are the template's; `environment` is what the emulator and so every function gets in addition.
    """
    adopt_clean_environment()
    port = free_port()
    base_url = f"http://{LOOPBACK}:{port}"
    settings = Settings(
        public_url=base_url,
        data=folder / "postgres",
        logs=folder / "logs",
        durable=durable,
        parameters={"CursorSecret": "a secret for tests", **parameters},
        emulator_environment=environment or {},
    )
    with ExitStack() as open_parts:
        runtime = open_parts.enter_context(Runtime(settings, on_emulator=on_emulator))
        runtime.start()
        door = open_parts.enter_context(FrontDoorThread(runtime.upstream, port, parameters.get("AllowedOrigins", "")))
        warm(runtime, base_url)
        yield Stack(base_url, base_url.replace("http", "ws", 1), settings.logs, runtime, door)
