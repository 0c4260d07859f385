"""Writes what is generated from the code: `python docs/api/generate.py` (a test fails where a file is out of date).

openapi.json and asyncapi.yaml for programs, errors.md (one folder up) for people.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "functions"))

from chalicelib.domain.errors import ErrorCode  # noqa: E402
from chalicelib.http.asyncapi import HANDSHAKE, asyncapi  # noqa: E402
from chalicelib.http.catalogue import CATALOGUE, type_of  # noqa: E402
from chalicelib.http.openapi import openapi  # noqa: E402
from chalicelib.http.pages.failures import FAILURES  # noqa: E402
from chalicelib.stream_messages import STREAM_CATALOGUE  # noqa: E402

# The front door's own answers, where it cannot ask the service or the handshake was refused.
FRONT_DOOR: Mapping[str, tuple[str, str]] = {
    "order_id_missing": ("400", "Open the stream with `?orderId=`."),
    "not_a_websocket": ("400", "Complete the WebSocket handshake (RFC 6455)."),
    "connection_refused": ("4xx", "The handshake was refused: `orderId` must exist and `after` be a whole number."),
    "body_too_large": ("413", "A body takes at most 64 KiB; the front door passes no more than 10 MiB on."),
    "upstream_failed": ("502", "The service broke off its answer. Look the order up before sending it again."),
    "upstream_unavailable": ("503", "Nothing answers behind the front door: try again after `Retry-After`."),
    "upstream_timeout": ("504", "The service took too long. Look the order up before sending it again."),
}


def _table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def errors_page() -> str:
    """The catalogue of every code."""
    problems = [
        (str(int(meant.status)), f"`{code}`", f"**{meant.title}.** {meant.advice}") for code, meant in CATALOGUE.items()
    ]
    stream = [(f"`{code}`", advice) for code, advice in STREAM_CATALOGUE.items()]
    failures = [(f"`{code}`", FAILURES[code]) for code in ErrorCode]
    door = [(status, f"`{code}`", advice) for code, (status, advice) in FRONT_DOOR.items()]
    handshake = [(status, advice) for status, advice in HANDSHAKE.items()]
    example = type_of(next(iter(CATALOGUE)))
    return f"""# Errors

<!-- Written by docs/api/generate.py; change the catalogues in the code instead. -->

Every error of the HTTP interface is a problem document (RFC 9457, `application/problem+json`). Programs decide by
`code`, which never changes its meaning; people read `detail`. `type` is `{example}` and the
like, `instance` the path that was asked for, `requestId` the `X-Request-Id`, and `errors` names every invalid field at
once. `orderId` and `orderStatus` stand where another order, or a state, is the reason. 429 and 503 have `Retry-After`,
in seconds.

## Problems

{_table(("Status", "Code", "Meaning and what to do"), problems)}

`not_found`, `rate_limited` and some `body_too_large` and `service_unavailable` come from API Gateway itself, in the
same form.

## The stream

A message that cannot be understood or done is answered with `{{"type": "error", "code": …, "message": …}}`. The
connection stays open, and what it follows stays followed.

{_table(("Code", "What to do"), stream)}

A handshake can be refused:

{_table(("Status", "Why"), handshake)}

The `$connect` function answers these to API Gateway. The emulator makes 403 of each, and the front door makes them a
problem with the status again.

## Why orders fail

`error.code` of an order that is `failed`, and of the attempts that its events tell of. `retryable` says whether placing
the same order again may work.

{_table(("Code", "Meaning and what to do"), failures)}

## The front door of the local runtime

{_table(("Status", "Code", "Meaning and what to do"), door)}
"""


def generated() -> dict[Path, str]:
    """Every file and what it should contain."""
    return {
        ROOT / "docs" / "errors.md": errors_page(),
        ROOT / "docs" / "api" / "openapi.json": json.dumps(openapi(""), indent=2, ensure_ascii=False) + "\n",
        ROOT / "docs" / "api" / "asyncapi.yaml": yaml.safe_dump(
            json.loads(json.dumps(asyncapi())), sort_keys=False, allow_unicode=True, width=110
        ),
    }


def main() -> None:
    """Writes them."""
    for path, content in generated().items():
        path.write_text(content, encoding="utf-8")
        print(f"Wrote {path.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
