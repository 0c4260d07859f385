"""One execution environment of a Lambda function: a child of LocalStack's own interpreter."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

_ENDPOINT = f"http://{os.environ['GATEWAY_LISTEN']}"
_LOGS = Path(os.environ["FUNCTION_LOGS"])
_RUNTIME = Path(__file__).with_name("function_process.py")
# Beyond the function's own time-out, which LocalStack leaves to the container.
_GRACE_SECONDS = 2


class HostExecutor(RuntimeExecutor):
    """A function's process, asked one invocation at a time; what it prints goes to its log."""

    def start(self, env_vars: dict[str, object]) -> None:
        config = self.function_version.config
        self._seconds = config.timeout + _GRACE_SECONDS
        _LOGS.mkdir(parents=True, exist_ok=True)
        given = {name: str(value) for name, value in env_vars.items() if value is not None}
        with (_LOGS / f"{self.function_version.id.function_name}.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-u", str(_RUNTIME)],
                cwd=str(config.code.get_unzipped_code_location()),
                env={"PATH": os.environ["PATH"], **given, "_HANDLER": config.handler, "AWS_ENDPOINT_URL": _ENDPOINT},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def invoke(self, payload: dict[str, object]) -> InvocationResult:
        limit = threading.Timer(self._seconds, self._process.kill)
        limit.start()
        try:
            self._process.stdin.write(json.dumps(payload) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            limit.cancel()
        ended = {"failed": True, "result": {"errorType": "Runtime.ExitError", "errorMessage": "The process ended."}}
        reply = json.loads(line) if line else ended
        return InvocationResult(
            payload["invoke-id"],
            json.dumps(reply["result"]).encode(),
            reply["failed"],
            "",
            self.function_version.id.qualifier,
        )

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        return _ENDPOINT

    def get_logs(self) -> str:
        return ""

    @classmethod
    def prepare_version(cls, function_version: object) -> None:
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: object) -> None:
        pass
