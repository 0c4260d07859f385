"""Run with `python -I -S`: calls one handler of an unpacked artifact, with nothing else on the path.

Arguments: the artifact's folder, the handler. Standard input: {"environment": {…}, "event": {…}}. The last line on
standard output: {"answer": …} or {"error": "TypeName: text"}, and which modules came from outside of the folder.
"""

import importlib
import json
import os
import sys
import sysconfig


class Context:
    function_name = "order-engine-test"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:order-engine-test"
    memory_limit_in_mb = 512
    aws_request_id = "00000000-0000-0000-0000-000000000000"
    log_group_name = "/aws/lambda/order-engine-test"
    log_stream_name = "stream"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 20_000


def main() -> None:
    folder, name = sys.argv[1:]
    given = json.load(sys.stdin)
    os.environ.update(given["environment"])
    sys.path.insert(0, folder)
    module, function = name.split(".")
    result: dict[str, object]
    try:
        result = {"answer": getattr(importlib.import_module(module), function)(given["event"], Context())}
    except Exception as error:  # noqa: BLE001 - the test judges it
        result = {"error": f"{type(error).__name__}: {error}"}
    standard = (os.path.realpath(sysconfig.get_paths()["stdlib"]), os.path.realpath(folder))
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    result["outside"] = sorted(
        file for file in files if file and not os.path.realpath(file).startswith(standard) and file != __file__
    )
    print(json.dumps(result))


main()
