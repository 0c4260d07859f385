"""The emulator's process: MiniStack with changes that keep a laptop's two cores for the orders.

A function's process starts as a copy of one that has its libraries loaded, and queues are worked on sooner.

MiniStack starts an interpreter for every concurrent call of a function, and each would spend half a second of
processor time on importing botocore, psycopg and pydantic before it reads the function's own code: a burst of orders
would wait for twenty of them. So one process imports them once (`multiprocessing`'s fork server), and every function's
process is forked from it, then gets its own environment, folder and pipes. Lambda's SnapStart does the same to a whole
function. The function's own modules are still imported at each cold start, from the deployed zip.

Every change of MiniStack's inside is here; what needs none of it is in queue_batches.py, header_case.py,
function_log.py and emulator_gate.py, the gate before it. What that and the functions' credentials are made of
comes through standard input: an environment can be read from /proc, and functions inherit it.

Run as a script, so that no function can import a module of ours. Only on Linux: elsewhere forking is not safe once
system libraries are loaded, and processes start as MiniStack starts them.
"""

import functools
import gc
import importlib.util
import itertools
import json
import multiprocessing.connection
import os
import runpy
import subprocess
import sys
import threading
import time
import types
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from localstack.local_stack import emulator_gate, function_log

_PRELOADED = [
    "__main__",  # this module: no copy reads it again
    "aws_lambda_powertools.metrics",
    "botocore.client",
    "botocore.handlers",
    "botocore.session",
    "botocore.signers",
    "chalice.app",
    "psycopg.types.json",
    "psycopg_pool",
    "pydantic.json_schema",
    "pynamodb.models",
    "setproctitle",
]
FIFO_BATCHES = 2
# The emulator holds its logs in memory, each invocation's in a stream of its own.
STREAMS_AT_MOST = 2_000
_FORKING = multiprocessing.get_context("forkserver")
# multiprocessing's list of children must not be worked on by two threads.
_CHILDREN = threading.Lock()


def _text(descriptor: int, mode: str) -> IO[str]:
    """A stream that writes every line at once, as MiniStack's and an interpreter's own do."""
    return os.fdopen(descriptor, mode, 1, encoding="utf-8", errors="strict" if mode == "r" else "backslashreplace")


def _run_as(
    command: Sequence[str], directory: str, environment: Mapping[str, str], pipes: Sequence[Connection]
) -> None:
    """Turns a copy into what `command` (an interpreter and its script) would have started."""
    from setproctitle import setproctitle

    # Who looks for a function's processes finds them by the folder in their command, as where MiniStack starts them.
    # First of all: it finds the place of the command by the environment that the process was started with.
    setproctitle(" ".join(command))
    gc.freeze()  # a collection that visited what the copies share would give each its own
    for number, pipe in enumerate(pipes):
        os.dup2(pipe.fileno(), number)
        pipe.close()
    sys.stdin, sys.stdout, sys.stderr = _text(0, "r"), _text(1, "w"), _text(2, "w")
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(command[1:])
    runpy.run_path(command[1], run_name="__main__")


class ForkedProcess:
    """As much of `subprocess.Popen` as MiniStack uses for a function's process."""

    def __init__(self, command: Sequence[str], directory: str, environment: Mapping[str, str]) -> None:
        child_stdin, stdin = multiprocessing.Pipe(duplex=False)
        stdout, child_stdout = multiprocessing.Pipe(duplex=False)
        stderr, child_stderr = multiprocessing.Pipe(duplex=False)
        theirs = child_stdin, child_stdout, child_stderr
        self.stdin = _text(os.dup(stdin.fileno()), "w")
        self.stdout = _text(os.dup(stdout.fileno()), "r")
        self.stderr = _text(os.dup(stderr.fileno()), "r")
        self._process = _FORKING.Process(
            target=_run_as, args=(list(command), directory, dict(environment), theirs), daemon=True
        )
        try:
            with _CHILDREN:
                self._process.start()
        finally:
            for pipe in (*theirs, stdin, stdout, stderr):
                pipe.close()

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        with _CHILDREN:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end; raises subprocess.TimeoutExpired after `timeout` seconds."""
        multiprocessing.connection.wait([self._process.sentinel], timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return status

    def terminate(self) -> None:
        """Asks it to end."""
        with _CHILDREN:
            self._process.terminate()

    def kill(self) -> None:
        """Ends it at once."""
        with _CHILDREN:
            self._process.kill()


def _popen(command: Sequence[str], **options: object) -> object:
    """Forks a function's process; whatever else MiniStack starts is started as usual."""
    if command[0] != sys.executable:
        return subprocess.Popen(command, **options)  # type: ignore[call-overload]  # noqa: S603  # MiniStack's own
    return ForkedProcess(command, cast("str", options["cwd"]), cast("Mapping[str, str]", options["env"]))


def _fork_functions() -> None:
    """Has MiniStack fork functions' processes; raises OSError where the process to copy can't be started."""
    from multiprocessing import forkserver

    _FORKING.set_forkserver_preload(_PRELOADED)
    forkserver.ensure_running()  # it imports while MiniStack does

    from ministack.core import lambda_runtime

    lambda_runtime.subprocess = types.SimpleNamespace(**{**vars(subprocess), "Popen": _popen})


JsonObject = dict[str, object]


def shorten_queue_waits(batches: types.ModuleType) -> None:
    """Has a status wait less for its push. MiniStack has no settings for these.

    - A FIFO queue's messages are handed over in two batches at once instead of one. On AWS they are as many as groups.
      No two batches hold messages of one group, which MiniStack's queues see to themselves. More than two are smaller
      batches, and cost the two cores more than they give.
    - Its poller pauses 5 ms where 50 are usual. A message that arrives while all batches run wakes it, it finds nothing
      to do, misses the end of the batch and looks again only after this pause.
    - Deduplication ids that are over are looked for once a second.
    """
    from ministack.services import lambda_svc, sqs

    allowed = lambda_svc._sqs_esm_concurrency  # noqa: SLF001

    def batches_at_once(
        mapping: JsonObject, function: JsonObject, config: JsonObject, queue: JsonObject | None = None
    ) -> int:
        return FIFO_BATCHES if queue and queue["is_fifo"] else allowed(mapping, function, config, queue)

    lambda_svc._sqs_esm_concurrency = batches_at_once  # noqa: SLF001
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = 0.005  # noqa: SLF001
    sqs._prune_dedup = batches.once_a_second(sqs._prune_dedup)  # noqa: SLF001


def gather_batches(batches: types.ModuleType) -> None:
    """Has queues hand over fuller batches; FIFO queues, whose statuses somebody watches, as before."""
    from ministack.core.concurrency import esm_wake
    from ministack.services import lambda_svc, sqs

    receive = sqs._receive_messages_for_esm  # noqa: SLF001

    def waiting(queue_url: str, number: int) -> int:
        now = time.time()
        visible = (each for each in list(sqs._queues[queue_url]["messages"]) if each["visible_at"] <= now)  # noqa: SLF001
        return sum(1 for _ in itertools.islice(visible, number))

    def look_again(seconds: float) -> None:
        timer = threading.Timer(seconds, esm_wake.set)
        timer.daemon = True
        timer.start()

    gathering = batches.Gathering(receive, waiting, look_again)

    def received(queue_url: str, number: int) -> Any:
        queue = sqs._queues[queue_url]  # noqa: SLF001
        if queue["is_fifo"]:
            return receive(queue_url, number)
        arn = queue["attributes"]["QueueArn"]
        mappings = [each["UUID"] for *_, each in lambda_svc._iter_all_esms() if each.get("EventSourceArn") == arn]  # noqa: SLF001
        return gathering.receive(queue_url, number, sum(lambda_svc._esm_inflight.get(each, 0) for each in mappings))  # noqa: SLF001

    sqs._receive_messages_for_esm = received  # noqa: SLF001


def cache_policies() -> None:
    """Has a policy parsed once, not at each request: that is a sixth of what a request takes."""
    from ministack.core import iam_evaluator

    parse = iam_evaluator.parse_policy_document
    of_text = functools.lru_cache(maxsize=256)(parse)

    def parsed(document: str | JsonObject) -> object:
        return of_text(document) if isinstance(document, str) else parse(document)

    iam_evaluator.parse_policy_document = parsed


def authorize_batches_as_single_sends() -> None:
    """Asks for `sqs:SendMessage` where a batch is sent, as AWS does: SQS has no permission of its own for batches."""
    from ministack.core import iam_actions

    named = iam_actions.extract_iam_action

    def action(service: str, *request: object) -> str | None:
        found = cast("str | None", named(service, *request))
        return found.removesuffix("Batch") if found and service == "sqs" else found

    iam_actions.extract_iam_action = action


def keep_function_logs(log: "function_log.FunctionLog") -> None:
    """Writes what each invocation logs to a file, and keeps only the newest in the emulator.

    Whoever reads it again and again from CloudWatch Logs makes the emulator look at every stream of a group each time.
    """
    from ministack.services import cloudwatch_logs, lambda_svc

    emit = lambda_svc._emit_lambda_logs  # noqa: SLF001

    def keep(function: dict[str, Any], request_id: str, text: str, *rest: object, **options: object) -> None:
        emit(function, request_id, text, *rest, **options)
        config = function.get("config") or function
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        name = group.rpartition("/")[2]
        try:
            log.write(name, text)
        except OSError as error:  # a full disk must not end an invocation
            sys.stderr.write(f"A line of {name} could not be kept: {error}\n")
        known = cloudwatch_logs._log_groups.get(group)  # noqa: SLF001
        streams = known["streams"] if known else {}
        while len(streams) > STREAMS_AT_MOST:
            # Another thread may have removed it.
            streams.pop(next(iter(streams)), None)

    lambda_svc._emit_lambda_logs = keep  # noqa: SLF001


def _load_sibling(name: str) -> "types.ModuleType":
    """A module beside this one: nothing of ours is on the path."""
    place = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise ImportError(place)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


def _read_keys(gate: types.ModuleType) -> "emulator_gate.Keys":
    """What the parent hands over, before anything is started that could read it instead."""
    keys: emulator_gate.Keys = gate.Keys(**json.load(sys.stdin))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return keys


def set_root_key(key: str) -> None:
    """Makes `key` the root's, which the emulator would read from an environment that functions inherit."""
    from ministack.core import iam_evaluator

    root = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": key}
    iam_evaluator.os = types.SimpleNamespace(environ=ChainMap(root, os.environ))


def salt_credentials(credentials_of: Callable[[str, str, str], dict[str, str]], salt: str) -> None:
    """Gives functions keys of this run: MiniStack's are computed from names, which are the same on every machine."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc, sts

    def execution_credentials(config: Mapping[str, str]) -> dict[str, str]:
        function_arn, role_arn = config["FunctionArn"], config.get("Role", "")
        credentials = credentials_of(salt, function_arn, role_arn)
        role, session = role_arn.rsplit("/", 1)[-1], config["FunctionName"][:64]
        account = function_arn.split(":")[4]
        sts.register_session(
            credentials["AWS_ACCESS_KEY_ID"],
            {
                "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
                "UserId": f"{role}:{session}",
                "SecretAccessKey": credentials["AWS_SECRET_ACCESS_KEY"],
                "SessionToken": credentials["AWS_SESSION_TOKEN"],
            },
        )
        return credentials

    lambda_runtime.execution_credentials = execution_credentials
    lambda_svc.execution_credentials = execution_credentials


def install_gate(gate: types.ModuleType, keys: "emulator_gate.Keys") -> None:
    """Puts the gate before MiniStack."""
    from ministack import app
    from ministack.core.router import extract_access_key_id
    from ministack.services import sts

    app.app = gate.Gate(app.app, keys, int(os.environ["GATEWAY_PORT"]), extract_access_key_id, sts._sessions)  # noqa: SLF001


def serve_with_uvicorn(keep_header_case: Callable[[Any], Any]) -> None:
    """Serves MiniStack by uvicorn with httptools, a parser in C, instead of by hypercorn, whose parser is in Python.

    That is most of what a request takes there: see docs/decisions/0045.
    """
    import hypercorn.asyncio
    import uvicorn

    async def serve(app: Any, config: Any) -> None:
        host, port = config.bind[0].split(":")
        settings = uvicorn.Config(
            keep_header_case(app),
            host=host,
            port=int(port),
            http="httptools",
            ws="wsproto",
            lifespan="on",
            log_config=None,
            access_log=False,
            # MiniStack gives its answers a date, and no server's name.
            server_header=False,
            date_header=False,
            # The gate judges who really asks.
            proxy_headers=False,
            timeout_keep_alive=int(config.keep_alive_timeout),
            timeout_graceful_shutdown=int(config.graceful_timeout),
            ws_ping_interval=None,
        )
        await uvicorn.Server(settings).serve()

    hypercorn.asyncio.serve = serve  # type: ignore[assignment]


def main(log: Path, prefix: str) -> None:
    """Runs MiniStack until it is ended, and keeps in `log` what functions whose names begin with `prefix` log."""
    os.umask(0o077)
    gate = _load_sibling("emulator_gate")
    keys = _read_keys(gate)
    if sys.platform == "linux":
        try:
            _fork_functions()
        except OSError as error:  # the path of its socket is too long, for example
            sys.stderr.write(f"Every function's process imports its libraries anew, for none can be forked: {error}\n")

    set_root_key(keys.root)
    salt_credentials(gate.credentials_of, keys.salt)
    install_gate(gate, keys)
    batches = _load_sibling("queue_batches")
    shorten_queue_waits(batches)
    gather_batches(batches)
    cache_policies()
    authorize_batches_as_single_sends()
    keep_function_logs(_load_sibling("function_log").FunctionLog(log, prefix))

    serve_with_uvicorn(_load_sibling("header_case").keep_header_case)
    from ministack.app import main as serve

    serve()


if __name__ == "__main__":
    log_path, functions_prefix = sys.argv[1:]
    del sys.argv[1:]  # MiniStack reads them too
    main(Path(log_path), functions_prefix)
