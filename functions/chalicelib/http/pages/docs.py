"""The documentation for people, rendered from the specifications that programs read."""

from __future__ import annotations

import html
from functools import cache
from typing import Any

from chalicelib.domain.errors import ErrorCode
from chalicelib.http.asyncapi import EXAMPLES, FROM_CLIENTS, FROM_SERVER, HANDSHAKE, asyncapi
from chalicelib.http.catalogue import CATALOGUE
from chalicelib.http.openapi import HEADERS, PARAMETERS, TAGS, openapi
from chalicelib.http.pages.failures import FAILURES
from chalicelib.http.pages.markup import code_block, example, fields, kind, meaning, paragraphs, table, text
from chalicelib.http.pages.shell import Page, page
from chalicelib.http.schemas import Schema, component_name
from chalicelib.stream_messages import STREAM_CATALOGUE

FIRST_ORDER = """\
curl -i BASE/api/orders/execute \\
  -H 'Content-Type: application/json' -H 'Idempotency-Key: first-1' \\
  -d '{"userId": "user-1", "walletAddress": "wallet_12345",
       "inputToken": "SOL", "outputToken": "USDC", "side": "sell", "amount": "1.5"}'"""
FOLLOW = """\
const socket = new WebSocket(placed.websocketUrl);       // from the answer to the order
let seen = 0;
socket.onmessage = ({data}) => {
  const message = JSON.parse(data);
  if (message.type !== "status" || message.sequence <= seen) return;
  seen = message.sequence;                               // reconnect with `&after=${seen}`
  console.log(message.status, message.message, message.meta);
};"""


@cache
def docs_page(root: str) -> Page:
    """The page; `root` is where the API hangs."""
    document = openapi(root)
    body = f"""<div class="page">
<nav class="side" aria-label="Contents">{_contents(document)}</nav>
<main>
<section id="start"><h1>Order execution engine</h1>{_introduction(document)}</section>
<section id="calls"><h2>Calls</h2>{_calls(document)}</section>
<section id="stream"><h2>The stream</h2>{_stream()}</section>
<section id="errors"><h2>Errors</h2>{_errors()}</section>
<section id="models"><h2>Models</h2>{_models(document)}</section>
</main></div>"""
    return page("Order engine · Docs", "Docs", body, styles=("base.css", "docs.css"), scripts=("theme.js", "docs.js"))


def _operations(document: Schema) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for tag in TAGS
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["tags"] == [tag]
    ]


def _contents(document: Schema) -> str:
    calls = "".join(
        f'<a href="#{operation["operationId"]}"><span class="verb {method}">{method.upper()}</span>'
        f"{html.escape(operation['summary'])}</a>"
        for method, _, operation in _operations(document)
    )
    models = "".join(f'<a href="#model-{name}">{name}</a>' for name in _all_models(document))
    return (
        f'<h2>Start</h2><a href="#start">A first order</a><h2>Calls</h2>{calls}'
        '<h2>The stream</h2><a href="#stream">Connecting</a><a href="#to-server">What you send</a>'
        '<a href="#from-server">What you get</a>'
        '<h2>Errors</h2><a href="#errors">Problems</a><a href="#stream-errors">Of the stream</a>'
        f'<a href="#failures">Of orders</a><h2>Models</h2>{models}'
    )


def _introduction(document: Schema) -> str:
    lead, *rest = document["info"]["description"].strip().split("\n\n")
    return (
        f'<p class="lead">{text(lead)}</p>{paragraphs(chr(10).join(rest))}'
        f"<h4>Place an order</h4>{code_block(FIRST_ORDER)}<h4>Follow it</h4>{code_block(FOLLOW)}"
        '<p class="note">For programs: <a href="openapi.json">OpenAPI 3.1</a>; the stream’s AsyncAPI 3 document is '
        "docs/api/asyncapi.yaml in the repository.</p>"
    )


def _calls(document: Schema) -> str:
    return "".join(_call(method, path, operation) for method, path, operation in _operations(document))


def _call(method: str, path: str, operation: dict[str, Any]) -> str:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    request = ""
    if body:
        name = body["schema"]["$ref"].rpartition("/")[2]
        link = f'<a href="#model-{name}">{name}</a>'
        request = f"<h4>Body · {link}</h4>{example(body['example'])}"
    parameters = [_parameter(given) for given in operation["parameters"]]
    shown = table(("Parameter", "Type", "Meaning"), parameters)
    return (
        f'<article class="call" id="{operation["operationId"]}"><h3>{html.escape(operation["summary"])}</h3>'
        f'<div class="where"><span class="verb {method}">{method.upper()}</span>'
        f"<code>{html.escape(path)}</code></div>"
        f"<p>{text(operation['description'])}</p>{request}<h4>Parameters</h4>{shown}"
        f"<h4>Answers</h4>{_answers(operation['responses'])}</article>"
    )


def _parameter(given: dict[str, Any]) -> tuple[str, str, str]:
    parameter = PARAMETERS[given["$ref"].rpartition("/")[2]] if "$ref" in given else given
    schema = {**parameter["schema"], "description": parameter.get("description", "")}
    name = f'<code>{html.escape(parameter["name"])}</code><div class="note">{parameter["in"]}</div>'
    return name, kind(schema), meaning(schema)


def _answers(responses: dict[str, Any]) -> str:
    return table(
        ("Status", "Body", "Meaning"),
        (
            (
                f'<span class="status s{status[0]}">{status}</span>',
                "<br>".join(_body(media, content) for media, content in response["content"].items()),
                f"<p>{text(response['description'])}</p>{_headers(response)}",
            )
            for status, response in responses.items()
        ),
    )


def _body(media_type: str, content: dict[str, Any]) -> str:
    return kind(content["schema"]) if "$ref" in content["schema"] else f'<span class="kind">{media_type}</span>'


def _headers(response: dict[str, Any]) -> str:
    names = [name for name in response["headers"] if name != "X-Request-Id"]
    lines = [f"<code>{name}</code> {text(HEADERS[name]['description'])}" for name in names]
    return f'<span class="note">{"<br>".join(lines)}</span>' if lines else ""


def _stream() -> str:
    document = asyncapi()
    refusals = table(
        ("Status", "Meaning"), ((f"<code>{status}</code>", text(says)) for status, says in HANDSHAKE.items())
    )
    return (
        f"{paragraphs(document['info']['description'])}<h4>A refused handshake</h4>{refusals}"
        f'<h4 id="to-server">What you send</h4>{_messages(FROM_CLIENTS, "post", "send")}'
        f'<h4 id="from-server">What you get</h4>{_messages(FROM_SERVER, "recv", "get")}'
    )


def _messages(kinds: tuple[type, ...], colour: str, verb: str) -> str:
    messages = asyncapi()["components"]["messages"]
    return "".join(
        f'<article class="call"><div class="where"><span class="verb {colour}">{verb}</span>'
        f'<a href="#model-{component_name(each)}"><code>{component_name(each)}</code></a></div>'
        f"<p>{text(messages[component_name(each)]['summary'])}</p>{example(EXAMPLES[each])}</article>"
        for each in kinds
    )


def _errors() -> str:
    problems = table(
        ("Status", "Code", "Meaning and what to do"),
        (
            (
                f'<span class="status s{int(meant.status) // 100}">{int(meant.status)}</span>',
                f"<code>{code}</code>",
                f"<p><b>{html.escape(meant.title)}.</b> {text(meant.advice)}</p>",
            )
            for code, meant in CATALOGUE.items()
        ),
    )
    of_stream = table(
        ("Code", "What to do"), ((f"<code>{code}</code>", text(says)) for code, says in STREAM_CATALOGUE.items())
    )
    failures = table(
        ("Code", "Meaning and what to do"), ((f"<code>{code}</code>", text(FAILURES[code])) for code in ErrorCode)
    )
    return (
        "<p>Every error is a <a href='#model-Problem'>problem document</a> (RFC 9457). Programs decide by "
        f"<code>code</code>, which stays as it is; people read <code>detail</code>.</p>{problems}"
        f'<h4 id="stream-errors">Errors of the stream</h4>{of_stream}'
        f'<h4 id="failures">Why orders fail (error.code of an order)</h4>{failures}'
    )


def _all_models(document: Schema) -> dict[str, Schema]:
    return dict(sorted({**document["components"]["schemas"], **asyncapi()["components"]["schemas"]}.items()))


def _models(document: Schema) -> str:
    return "".join(
        f'<article class="model" id="model-{name}"><h3>{name}</h3>'
        f"<p>{text(schema.get('description', ''))}</p>"
        f"{fields(schema) if 'properties' in schema else meaning({**schema, 'description': ''})}</article>"
        for name, schema in _all_models(document).items()
    )
