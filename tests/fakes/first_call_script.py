"""Run as a script in the functions' folder: what a handler's first call costs behind what its process did before it.

The environment is that of the function; standard input is an event. Prints the answer, the modules of others and ours
that the call imported, and the processor seconds of import and call.
"""

import json
import os
import sys
import time


class Context:
    """What Lambda tells of the invocation."""

    aws_request_id = "request"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Milliseconds until Lambda ends the function."""
        return 20_000


event = json.load(sys.stdin)
start = time.process_time()
import app  # noqa: E402  # what is measured

imported = time.process_time()
before = set(sys.modules)
handler = os.environ.get("MEASURED_HANDLER") or os.environ["_HANDLER"]
answer = getattr(app, handler.partition(".")[2])(event, Context())
called = time.process_time()
late = {name for name in set(sys.modules) - before if name.partition(".")[0] not in sys.stdlib_module_names}
print(
    json.dumps(
        {"answer": answer, "late": sorted(late), "import_seconds": imported - start, "call_seconds": called - imported}
    )
)
