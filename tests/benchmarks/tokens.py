"""What asking for access tokens costs: `PYTHONPATH=functions:. python -m tests.benchmarks.tokens [ROUNDS]`.

Open and jwt mode by turns of twenty POSTs, so that a slow moment meets both, on a real Postgres and a stand-in for SQS.
Prints what one check of a token takes by algorithm, the p50 of a POST in the REST function in both modes, and the
processor time of its cold start, weighed as on Lambda: the start on a whole core, the first call on a third of one.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from chalicelib.auth.checker import FixedRing, JwtChecker
from chalicelib.auth.keys import read_keys
from infra.migrations.migrate import upgrade
from localstack.local_stack import postgres
from localstack.local_stack.processes import Reaper
from tests.fakes.first_call import ORDER, ROOT, SCRIPT, aws, environment, post
from tests.fakes.tokens import AUDIENCE, EC, ED, ISSUER, RSA, Token, jwks

_POSTS, _BATCHES, _WARM, _CHECKS = 20, 15, 40, 2_000
_SHARE_OF_A_CORE = 0.3
# Prints the median seconds of a POST of one process for each line that comes: by the clock, and of the processor.
_MEASURE = f"""
import json, os, sys, time
event = json.loads(sys.stdin.readline())
out = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # log lines
import app
class Context:
    aws_request_id = "request"
    @staticmethod
    def get_remaining_time_in_millis(): return 20_000
def batch(number):
    took, used = [], []
    for _ in range(number):
        start, began = time.perf_counter(), time.process_time()
        answer = app.app(event, Context())
        took.append(time.perf_counter() - start)
        used.append(time.process_time() - began)
        assert answer["statusCode"] == 202, answer
    return (sorted(each)[number // 2] for each in (took, used))
batch({_WARM})
print("warm", file=out, flush=True)
for _ in sys.stdin:
    print(*batch({_POSTS}), file=out, flush=True)
"""


def _event(is_asked: bool) -> str:
    token = replace(Token(ED, claims={"sub": "ann"}), now=int(time.time()))
    event = post("/api/orders/execute", ORDER)
    if is_asked:
        for name, value in (("headers", f"Bearer {token}"), ("multiValueHeaders", [f"Bearer {token}"])):
            event[name] = {**event[name], "Authorization": value}  # type: ignore[dict-item]
    return json.dumps(event)


class _Poster:
    """A warm process of the REST function in one mode."""

    def __init__(self, event: str, variables: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MEASURE],
            cwd=ROOT / "functions",
            env={**variables, "_HANDLER": "app.app"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ask(event)

    def _ask(self, line: str) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("The process has no pipes.")
        print(line, file=stdin, flush=True)
        answer = stdout.readline()
        if not answer:
            raise RuntimeError("The process ended: see what it wrote above.")
        return answer

    def post(self) -> tuple[float, float]:
        """Seconds of a POST, by the clock and of the processor: the median of a batch."""
        wall, processor = map(float, self._ask("on").split())
        return wall, processor

    def end(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate(timeout=60)


def _run(arguments: list[str], event: str, variables: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        input=event,
        cwd=ROOT / "functions",
        env={**variables, "_HANDLER": "app.app"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return done.stdout.splitlines()[-1]


def _checks() -> None:
    checker = JwtChecker({ISSUER: FixedRing(read_keys(jwks(ED, EC, RSA)))}, audience=AUDIENCE)
    for key in (ED, EC, RSA):
        values = [f"Bearer {replace(Token(key), now=int(time.time()))}"]
        took = []
        for _ in range(_CHECKS):
            start = time.perf_counter()
            checker.check(values)
            took.append(time.perf_counter() - start)
        print(f"A check of {key.algorithm}: {statistics.median(took) * 1e6:.0f} µs (p50 of {_CHECKS})")


def main(rounds: int) -> None:
    """Prints the figures."""
    _checks()
    home = Path(tempfile.mkdtemp(prefix="tokens-"))
    home.chmod(0o755)
    posts: dict[bool, list[float]] = {False: [], True: []}
    used: dict[bool, list[float]] = {False: [], True: []}
    starts: dict[bool, list[float]] = {False: [], True: []}
    with Reaper() as reaper, aws() as services:
        server = postgres.run(home / "data", home / "log", reaper, durable=False)
        upgrade(server.url)
        shared = {**environment(services, server.url), "PYTHONDONTWRITEBYTECODE": ""}
        shared.pop("AUTH_JWKS_URL", None)  # the keys come by AUTH_KEYS here
        modes = {
            False: {**shared, "AUTH_MODE": "open"},
            True: {
                **shared,
                "AUTH_MODE": "jwt",
                "AUTH_ISSUER": ISSUER,
                "AUTH_AUDIENCE": AUDIENCE,
                "AUTH_KEYS": jwks(ED),
                "ORDERS_PER_MINUTE": "0",
                "MAX_OPEN_ORDERS": "0",
            },
        }
        for round_ in range(rounds):
            turns = (False, True) if round_ % 2 else (True, False)
            posters = {is_asked: _Poster(_event(is_asked), modes[is_asked]) for is_asked in turns}
            try:
                for _ in range(_BATCHES):
                    for is_asked, poster in posters.items():
                        wall, processor = poster.post()
                        posts[is_asked].append(wall)
                        used[is_asked].append(processor)
            finally:
                for poster in posters.values():
                    poster.end()
            for is_asked in turns:
                event = _event(is_asked)
                first = json.loads(_run([str(SCRIPT)], event, modes[is_asked]))
                assert first["answer"]["statusCode"] == 202, first["answer"]
                starts[is_asked].append(first["import_seconds"] + first["call_seconds"] / _SHARE_OF_A_CORE)
        server.stop()
    for name, seen in (("p50 of a POST", posts), ("its processor time", used), ("cold start", starts)):
        open_, asked = (statistics.median(seen[mode]) * 1000 for mode in (False, True))
        # Of what was measured side by side: the machine's moods are in both.
        more = statistics.median(b - a for a, b in zip(seen[False], seen[True], strict=True)) * 1000
        change = f"{more:+.2f} ms, {more / open_ * 100:+.1f} % (median of {len(seen[False])})"
        print(f"{name}: open {open_:.2f} ms, jwt {asked:.2f} ms: {change}")


if __name__ == "__main__":
    os.chdir(ROOT)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
