"""Writes what is generated from the code: `.venv/bin/python docs/api/generate.py`.

A test fails where a file is out of date.

For programs openapi.json and asyncapi.yaml; for people errors.md and configuration.md (one folder up); for the
service's own addresses functions/chalicelib/web, which is deployed with the functions: the specification, the pages of
pages/*.html, and the policy that lets a browser run nothing in them but their own style and script.
"""

import base64
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from chalicelib.config import VARIABLES  # noqa: E402
from chalicelib.domain.errors import ErrorCode  # noqa: E402
from chalicelib.domain.order import (  # noqa: E402
    DEFAULT_LAUNCH_SLIPPAGE_BPS,
    DEFAULT_SLIPPAGE_BPS,
    LaunchConditions,
    OrderType,
)
from chalicelib.domain.quotes import DEFAULT_MAX_PRICE_IMPACT_BPS, VENUES  # noqa: E402
from chalicelib.domain.transitions import TERMINAL, TRANSITIONS, WORKABLE, OrderStatus, Trigger  # noqa: E402
from chalicelib.http.files import WEBSOCKET_ORIGIN, WEBSOCKET_URL  # noqa: E402
from chalicelib.http.problems import PROBLEM_TYPES, type_of  # noqa: E402
from chalicelib.http.responses import tokens_view  # noqa: E402
from chalicelib.http.stream_messages import STREAM_ERRORS  # noqa: E402
from docs.api.asyncapi import EXAMPLES, FROM_CLIENTS, FROM_SERVER, HANDSHAKE, asyncapi  # noqa: E402
from docs.api.examples import example_of  # noqa: E402
from docs.api.openapi import component_name, openapi  # noqa: E402
from docs.api.operations import HEADERS, PARAMETERS, TAGS  # noqa: E402
from docs.api.samples import BASE, samples  # noqa: E402
from localstack.packaging import template  # noqa: E402

WEB = ROOT / "functions" / "chalicelib" / "web"
# Why an order may fail, and what its owner can do.
FAILURES: Mapping[ErrorCode, str] = {
    ErrorCode.INSUFFICIENT_LIQUIDITY: "The pool does not hold enough for the order. Place a smaller one.",
    ErrorCode.AMOUNT_TOO_SMALL: "The amount would buy nothing after fees. Place a larger one.",
    ErrorCode.PRICE_IMPACT_TOO_HIGH: "The swap would have moved the market further than maxPriceImpactBps allows; "
    "nothing was signed. Swap less at a time, or allow more.",
    ErrorCode.NO_QUOTE: "No venue answered with a quote in any attempt. Place it again later.",
    ErrorCode.QUOTE_TIMEOUT: "The venues did not answer in time in any attempt. Place it again later.",
    ErrorCode.QUOTE_EXPIRED: "The quote ran out before the swap could be built. Place it again.",
    ErrorCode.SLIPPAGE_EXCEEDED: "The price moved past the limit and nothing was exchanged. Allow more slippage or "
    "place it again.",
    ErrorCode.TRANSACTION_EXPIRED: "The chain dropped the transaction and it can land no more. Place it again.",
    ErrorCode.SUBMIT_TIMEOUT: "The chain could not be asked. It is seen in attempts only: an unknown outcome never "
    "fails an order.",
    ErrorCode.LIMIT_NOT_MET: "The price was not there when the venues were asked. Place it again, or with another "
    "limitPrice.",
    ErrorCode.LAUNCH_SKIPPED: "The launch did not meet the order's conditions in time: `conditions` names those.",
    ErrorCode.NO_POOL: "No venue has an open pool for the pair. It is seen in attempts, until the pool opens.",
    ErrorCode.PROCESSING_FAILED: "Our side failed again and again before anything could be exchanged. Place it again.",
}
# The front door's own answers, where it cannot ask the service or the handshake was refused.
FRONT_DOOR: Mapping[str, tuple[str, str]] = {
    "order_id_missing": ("400", "Open the stream with `?orderId=`."),
    "not_a_websocket": ("400", "Complete the WebSocket handshake (RFC 6455)."),
    "connection_refused": (
        "4xx",
        "The handshake was refused: `orderId` must exist, `after` be a whole number, `ticket` hold for the order.",
    ),
    "malformed_request": (
        "400",
        "Send well-formed HTTP/1.1 (RFC 9112), no dot segments in the path, ASCII headers.",
    ),
    "aws_credentials": ("400", "Leave `Authorization: AWS…`, `X-Amz-Credential` and `AWSAccessKeyId` out."),
    "origin_not_allowed": ("403", "Name the page's origin in AllowedOrigins; the service's own pages may always ask."),
    "request_timeout": ("408", "Send the request's head within 10 seconds and its body within 15."),
    "body_too_large": ("413", "A body takes at most 16 KiB; the front door passes no more than 256 KiB on."),
    "misdirected_request": ("421", "Ask by `localhost`, or name the host in ORDER_ENGINE_ALLOWED_HOSTS."),
    "uri_too_long": ("414", "Path and query take at most 12 KiB, together with all headers."),
    "headers_too_large": ("431", "Request line and headers take at most 12 KiB and 128 headers: send fewer cookies."),
    "overloaded": ("503", "Too many requests or connections: try again after `Retry-After`. Nothing was passed on."),
    "upstream_failed": ("502", "The service broke off its answer. Look the order up before sending it again."),
    "upstream_unavailable": ("503", "Nothing answers behind the front door: try again after `Retry-After`."),
    "upstream_timeout": ("504", "The service took too long. Look the order up before sending it again."),
}
# What the desk knows of the domain: web/ is built with it.
DOMAIN = {
    "statuses": list(OrderStatus),
    "steps": [status for status in OrderStatus if status in WORKABLE or status is OrderStatus.CONFIRMED],
    "open": [status for status in OrderStatus if status not in TERMINAL],
    "over": [status for status in OrderStatus if status in TERMINAL],
    "cancellable": [status for status in OrderStatus if (status, Trigger.CANCEL) in TRANSITIONS],
    "venues": list(VENUES),
    "types": list(OrderType),
    "tokens": tokens_view()["tokens"],
    "slippageBps": DEFAULT_SLIPPAGE_BPS,
    "launchSlippageBps": DEFAULT_LAUNCH_SLIPPAGE_BPS,
    "maxPriceImpactBps": DEFAULT_MAX_PRICE_IMPACT_BPS,
    "launchMaxAgeSeconds": LaunchConditions().max_age_seconds,
    "failures": {str(code): FAILURES[code] for code in ErrorCode},
}
# The styles and scripts of each page: files of pages/. The first script runs before anything is painted.
PAGES: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "docs.html": (("base.css", "docs.css"), ("theme.js", "docs.js")),
}
EARLY = "theme_early.js"
POLICY = (
    "default-src 'none'; style-src {style}; script-src {script}; img-src data:; connect-src 'self' {origin}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def rendered() -> dict[Path, str]:
    """The pages, the policies of those for browsers, errors.md and configuration.md."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "pages"),
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["example"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
    http, stream = openapi(), asyncapi()
    calls = [
        (method, path, operation) for path, methods in http["paths"].items() for method, operation in methods.items()
    ]
    environment.globals |= {
        "openapi": http,
        "asyncapi": stream,
        "operations": sorted(calls, key=lambda call: list(TAGS).index(call[2]["tags"][0])),
        "models": dict(sorted((http["components"]["schemas"] | stream["components"]["schemas"]).items())),
        "headers": HEADERS,
        "parameters": PARAMETERS,
        "handshake": HANDSHAKE,
        "sent": {component_name(kind): EXAMPLES[kind] for kind in FROM_CLIENTS},
        "received": {component_name(kind): EXAMPLES[kind] for kind in FROM_SERVER},
        "problems": PROBLEM_TYPES,
        "samples": {call[2]["operationId"]: samples(*call) for call in calls},
        "base": BASE,
        "not_tried": ("openStream", "docs", "desk", "asset"),
        "problem_example": example_of({"$ref": "#/components/schemas/Problem"}, http["components"]["schemas"]),
        "example_type": type_of(next(iter(PROBLEM_TYPES))),
        "stream_errors": STREAM_ERRORS,
        "failures": {code: FAILURES[code] for code in ErrorCode},
        "front_door": FRONT_DOOR,
        "statuses": OrderStatus,
        "websocket_url": WEBSOCKET_URL,
    }
    built = {
        ROOT / "docs" / "errors.md": environment.get_template("errors.md").render(),
        ROOT / "docs" / "configuration.md": environment.get_template("configuration.md").render(_settings()),
    }
    policies = {}
    for name, (styles, scripts) in PAGES.items():
        style, script = "".join(map(_source, styles)), "".join(map(_source, scripts))
        early = _source(EARLY)
        built[WEB / name] = environment.get_template(name).render(style=style, early=early, script=script)
        policies[name] = POLICY.format(
            style=_digest(style), script=f"{_digest(early)} {_digest(script)}", origin=WEBSOCKET_ORIGIN
        )
    policies["desk.html"] = POLICY.format(
        style="'self'", script=f"'self' {_digest(_source(EARLY))}", origin=WEBSOCKET_ORIGIN
    )
    return {**built, WEB / "policies.json": json.dumps(policies, indent=2) + "\n"}


def _settings() -> dict[str, object]:
    """What configuration.md lists: the parameters by group, and the functions' variables with who has each."""
    stack: Any = template.read(ROOT / "template.yaml")
    functions = {
        name.removesuffix("Function"): resource["Properties"]["Environment"]["Variables"]
        for name, resource in stack["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    shared = stack["Globals"]["Function"]["Environment"]["Variables"]
    return {
        "groups": [
            (group["Label"]["default"], {name: stack["Parameters"][name] for name in group["Parameters"]})
            for group in stack["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        ],
        "variables": {
            name: (sentence, ["all"] if name in shared else [each for each in functions if name in functions[each]])
            for name, sentence in VARIABLES.items()
        },
    }


def _source(name: str) -> str:
    return (HERE / "pages" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def generated() -> dict[Path, str]:
    """Every file and what it should contain."""
    return {
        # docs/api/openapi.json is a link to it.
        ROOT / "web" / "src" / "generated" / "domain.json": json.dumps(DOMAIN, indent=2, ensure_ascii=False) + "\n",
        WEB / "openapi.json": json.dumps(openapi(), indent=2, ensure_ascii=False) + "\n",
        WEB / "asyncapi.json": json.dumps(asyncapi(), indent=2, ensure_ascii=False) + "\n",
        ROOT / "docs" / "api" / "asyncapi.yaml": yaml.safe_dump(
            json.loads(json.dumps(asyncapi())), sort_keys=False, allow_unicode=True, width=110
        ),
        **rendered(),
    }


def main() -> None:
    """Writes them."""
    for path, content in generated().items():
        path.write_text(content, encoding="utf-8")
        print(f"Wrote {path.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
