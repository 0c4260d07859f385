"""Runs one Lambda function: reads an invocation a line, answers with a line. The current directory holds its code."""

import importlib
import json
import os
import sys
import time
import traceback


class Context:
    """What Lambda hands a handler beside the event."""

    function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    function_version = "$LATEST"
    memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
    log_group_name = log_stream_name = ""

    def __init__(self, invocation: dict[str, str]) -> None:
        self.aws_request_id = invocation["invoke-id"]
        self.invoked_function_arn = invocation["invoked-function-arn"]
        self._deadline = time.monotonic() + int(os.environ["AWS_LAMBDA_FUNCTION_TIMEOUT"])

    def get_remaining_time_in_millis(self) -> int:
        """Until Lambda would end the invocation."""
        return max(int((self._deadline - time.monotonic()) * 1000), 0)


def main() -> None:
    """Serves until its standard input ends; what the function prints goes to standard error."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path.insert(0, os.getcwd())  # noqa: PTH109  # isolated mode leaves it out
    module, name = os.environ["_HANDLER"].rsplit(".", 1)
    handler = None
    for line in sys.stdin:
        invocation = json.loads(line)
        context = Context(invocation)
        try:
            if handler is None:
                handler = getattr(importlib.import_module(module), name)
            reply = {"failed": False, "result": handler(json.loads(invocation["payload"] or "null"), context)}
        except BaseException as error:  # noqa: BLE001  # as Lambda: whatever it raises is the invocation's failure
            traceback.print_exc()
            reply = {"failed": True, "result": {"errorType": type(error).__name__, "errorMessage": str(error)}}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


main()
