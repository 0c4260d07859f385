"""Processor time of the handlers alone: `PYTHONPATH=functions:. python -m tests.benchmarks.handlers [--profile api]`.

Places orders through the REST function and executes them through the worker, ten to a batch, in one process, on a real
Postgres and a stand-in for SQS that is another process. Nobody follows; venues answer at once. Prints milliseconds an
order of this process (the median of `--rounds`), without what Postgres, emulator and front door take.
"""

import argparse
import cProfile
import json
import multiprocessing
import os
import pstats
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

from localstack.bench import processor_time
from localstack.bench.history import extend
from tests.fakes.aws import sqs_event, sqs_record
from tests.fakes.first_call import ORDER, aws, environment, post
from tests.fakes.postgres import a_server

_BATCH = 10
_NOWHERE = Path(os.devnull).open("w")  # noqa: SIM115  # the logger keeps what it first wrote to


def _serve(pipe: Connection) -> None:
    with aws() as services:
        pipe.send(services)
        pipe.recv()


def _context() -> SimpleNamespace:
    return SimpleNamespace(
        aws_request_id="r",
        function_name="f",
        function_version="1",
        invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:f",
        memory_limit_in_mb=512,
        log_group_name="g",
        log_stream_name="s",
        get_remaining_time_in_millis=lambda: 30_000,
    )


def main() -> int:
    """Prints the table, or a function's profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--history", default="0", help="so many older orders first, as in 0,100000,1000000")
    parser.add_argument("--profile", choices=("api",))
    asked = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    services = multiprocessing.Process(target=_serve, args=(theirs,), daemon=True)
    services.start()
    with a_server() as url:
        os.environ.update(environment(ours.recv(), url), DATABASE_CONNECTIONS="2")
        for size in (int(size) for size in asked.history.split(",")):
            extend(url, size, lambda _done, _of: None)
            sys.stdout.write(f"{size:,} orders in the history\n")
            before = processor_time.read(os.getpid())
            _measure(asked.orders, asked.rounds, asked.profile)
            spent = processor_time.spent(before, processor_time.read(os.getpid())).get(processor_time.POSTGRES, 0.0)
            count = asked.orders * (asked.rounds + 1)
            sys.stdout.write(f"{'Postgres':15} {spent / count * 1000:6.2f} ms an order\n")
        ours.send("end")
    return 0


def _measure(orders: int, rounds: int, profiled: str | None) -> None:
    import app

    def place() -> list[str]:
        answers = [app.app(post("/api/orders/execute", ORDER), _context()) for _ in range(orders)]
        return [json.loads(answer["body"])["orderId"] for answer in answers]

    def execute(ids: list[str]) -> list[str]:
        for start in range(0, len(ids), _BATCH):
            records = [sqs_record(json.dumps({"orderId": each})) for each in ids[start : start + _BATCH]]
            answer = app.execute_orders(sqs_event(records), _context())
            if answer["batchItemFailures"]:
                raise AssertionError(answer)
        return ids

    with redirect_stdout(_NOWHERE):
        execute(place())  # the first of everything
        found: dict[str, list[float]] = {"api": [], "execute_orders": []}
        profiles = {name: cProfile.Profile() for name in found}
        for _ in range(rounds):
            ids = _timed("api", place, orders, found, profiles if profiled == "api" else {})
            _timed("execute_orders", partial(execute, ids), orders, found, {})
    for name, values in found.items():
        sys.stdout.write(
            f"{name:15} {statistics.median(values):6.2f} ms an order ({min(values):.2f}-{max(values):.2f})\n"
        )
    if profiled:
        pstats.Stats(profiles[profiled]).sort_stats("cumtime").print_stats(60)


def _timed(
    name: str,
    work: Callable[[], list[str]],
    orders: int,
    found: dict[str, list[float]],
    profiles: dict[str, cProfile.Profile],
) -> list[str]:
    if name in profiles:
        profiles[name].enable()
    start = time.process_time()
    done = work()
    found[name].append((time.process_time() - start) / orders * 1000)
    if name in profiles:
        profiles[name].disable()
    return done


if __name__ == "__main__":
    sys.exit(main())
