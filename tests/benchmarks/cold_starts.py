"""What a cold start costs: `PYTHONPATH=functions python -m tests.benchmarks.cold_starts [RUNS]`.

Each row is a function in a fresh process, in multiples of a bare boto3 client: the processor time of its start, which
Lambda does on a whole core, and of its first call, which has a third of one; with everything left to the call, and with
what `chalicelib/handlers/prepare.py` does before it.
"""

import statistics
import subprocess
import sys

from tests.fakes.first_call import Functions, aws, environment
from tests.fakes.postgres import a_server

BARE = "import time; start = time.process_time(); import boto3; boto3.client('sqs'); print(time.process_time() - start)"
_SHARE_OF_A_CORE = 0.3


def _bare(variables: dict[str, str]) -> float:
    done = subprocess.run(
        [sys.executable, "-c", BARE], env=variables, capture_output=True, text=True, timeout=60, check=True
    )
    return float(done.stdout)


def main(runs: int) -> None:
    """Prints the table."""
    seen: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    with a_server() as url, aws() as services:
        variables = environment(services, url)
        bare: list[float] = []
        for _ in range(runs):
            bare.append(_bare(variables))
            for prepared in (False, True):  # in turns, so that a slow minute meets both
                functions = Functions(dict(variables), prepared)
                functions.follow_an_order(services)
                for name, call in functions.calls.items():
                    seen.setdefault((name, prepared), []).append((call.import_seconds, call.call_seconds))
    unit = statistics.median(bare)
    print(f"A bare boto3 client takes {unit * 1000:.0f} ms here (median of {runs}); all else in multiples of it.\n")
    print("| function | start before | call before | start now | call now | wait before → now on Lambda |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in dict.fromkeys(name for name, _ in seen):
        (start, call), (start_now, call_now) = (
            [statistics.median(column) / unit for column in zip(*seen[name, prepared], strict=True)]
            for prepared in (False, True)
        )
        before, now = start + call / _SHARE_OF_A_CORE, start_now + call_now / _SHARE_OF_A_CORE
        print(f"| {name} | {start:.2f} | {call:.2f} | {start_now:.2f} | {call_now:.2f} | {before:.1f} → {now:.1f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
