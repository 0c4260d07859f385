"""What asking for access tokens costs: `PYTHONPATH=functions:. python -m tests.benchmarks.tokens [ROUNDS]`.

Open and jwt mode by turns of twenty POSTs, so that a slow moment meets both, on a real Postgres and a stand-in for SQS.
Prints what one check of a token takes by algorithm, the p50 of a POST in the REST function in both modes (by a token
that its process has seen, and by a new one each time), and the processor time of its cold start, weighed as on Lambda:
the start on a whole core, the first call on a third of one.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from chalicelib.auth.checker import FixedKeySet, JwtChecker
from chalicelib.auth.keys import read_keys
from tests.fakes.first_call import ORDER, ROOT, Functions, aws, environment, post
from tests.fakes.postgres import a_server
from tests.fakes.tokens import AUDIENCE, EC, ED, ISSUER, RSA, Token, jwks

_POSTS, _BATCHES, _WARM, _STARTS, _CHECKS = 20, 15, 40, 5, 500
_SHARE_OF_A_CORE = 0.3
# Prints the median seconds of a POST of one process for each line that comes: by the clock, and of the processor.
_MEASURE = f"""
import itertools, json, os, sys, time
events = itertools.cycle(json.loads(sys.stdin.readline()))
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
        answer = app.app(next(events), Context())
        took.append(time.perf_counter() - start)
        used.append(time.process_time() - began)
        assert answer["statusCode"] == 202, answer
    return (sorted(each)[number // 2] for each in (took, used))
batch({_WARM})
print("warm", file=out, flush=True)
for _ in sys.stdin:
    print(*batch({_POSTS}), file=out, flush=True)
"""


class _Kind(StrEnum):
    OPEN = "open"
    KNOWN = "jwt"
    NEW = "jwt by new tokens"


def _event(kind: _Kind, number: int = 0) -> dict[str, object]:
    token = replace(Token(ED, claims={"sub": "ann", "jti": str(number)}), now=int(time.time()))
    event = post("/api/orders/execute", ORDER)
    if kind is not _Kind.OPEN:
        for name, value in (("headers", f"Bearer {token}"), ("multiValueHeaders", [f"Bearer {token}"])):
            event[name] = {**event[name], "Authorization": value}  # type: ignore[dict-item]
    return event


def _events(kind: _Kind) -> str:
    """As many as are asked for, or one for all."""
    number = _WARM + _POSTS * _BATCHES if kind is _Kind.NEW else 1
    return json.dumps([_event(kind, each) for each in range(number)])


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


def _checks() -> None:
    checker = JwtChecker({ISSUER: FixedKeySet(read_keys(jwks(ED, EC, RSA)))}, audience=AUDIENCE)
    now = int(time.time())
    for key in (ED, EC, RSA):
        new = [[f"Bearer {replace(Token(key, claims={'jti': str(n)}), now=now)}"] for n in range(_CHECKS)]
        p50 = []
        for headers in (new, new[-1:] * _CHECKS):
            took = []
            for header in headers:
                start = time.perf_counter()
                checker.check(header)
                took.append(time.perf_counter() - start)
            p50.append(statistics.median(took) * 1e6)
        print(f"A check of {key.algorithm}: {p50[0]:.0f} µs, of a token that it has seen {p50[1]:.0f} µs (p50)")


def main(rounds: int) -> None:
    """Prints the figures."""
    _checks()
    posts: dict[_Kind, list[float]] = {kind: [] for kind in _Kind}
    used: dict[_Kind, list[float]] = {kind: [] for kind in _Kind}
    starts: dict[_Kind, list[float]] = {_Kind.OPEN: [], _Kind.NEW: []}
    with a_server() as url, aws() as services:
        shared = {**environment(services, url), "PYTHONDONTWRITEBYTECODE": ""}
        shared.pop("AUTH_JWKS_URL", None)  # the keys come by AUTH_KEYS here
        asking = {
            "AUTH_MODE": "jwt",
            "AUTH_ISSUER": ISSUER,
            "AUTH_AUDIENCE": AUDIENCE,
            "AUTH_KEYS": jwks(ED),
            "ORDERS_PER_MINUTE": "0",
            "MAX_OPEN_ORDERS": "0",
        }
        modes = {kind: {**shared, **({} if kind is _Kind.OPEN else asking)} for kind in _Kind}
        for round_ in range(rounds):
            turns = list(_Kind)[:: 1 if round_ % 2 else -1]
            posters = {kind: _Poster(_events(kind), modes[kind]) for kind in turns}
            try:
                for _ in range(_BATCHES):
                    for kind, poster in posters.items():
                        wall, processor = poster.post()
                        posts[kind].append(wall)
                        used[kind].append(processor)
            finally:
                for poster in posters.values():
                    poster.end()
            for kind in [kind for kind in turns if kind in starts] * _STARTS:
                functions = Functions(modes[kind])
                assert functions.call("app", _event(kind))["statusCode"] == 202
                first = functions.calls["app"]
                starts[kind].append(first.import_seconds + first.call_seconds / _SHARE_OF_A_CORE)
    for kind in (_Kind.KNOWN, _Kind.NEW):
        _tell(f"p50 of a POST, {kind}", posts[_Kind.OPEN], posts[kind])
        _tell("  its processor time", used[_Kind.OPEN], used[kind])
    _tell("cold start", starts[_Kind.OPEN], starts[_Kind.NEW])


def _tell(name: str, open_: list[float], asked: list[float]) -> None:
    """What is more, of what was measured side by side: the machine's moods are in both."""
    before = statistics.median(open_) * 1000
    more = statistics.median(b - a for a, b in zip(open_, asked, strict=True)) * 1000
    print(f"{name}: {before:.2f} ms in open mode, {more:+.2f} ms, {more / before * 100:+.1f} % (p50 of {len(asked)})")


if __name__ == "__main__":
    os.chdir(ROOT)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
