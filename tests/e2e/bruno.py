"""Runs a Bruno collection as Bruno does, as far as ours needs it: requests, variables, assertions."""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.unit.http.specification import check_answer, pattern_of

BLOCK = re.compile(r"^(?P<name>[\w:-]+) \{\n(?P<content>.*?)^\}$", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"\{\{(\w+)\}\}")
# The steps of a path such as res.body.errors[0].field or res.headers['x-request-id'].
STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\['([^']+)'\]")
METHODS = ("get", "post", "put", "patch", "delete")
MISSING = object()


@dataclass(frozen=True)
class Request:
    """One .bru file."""

    name: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: str | None
    keeps: Mapping[str, str]
    asserts: tuple[tuple[str, str], ...]
    order: int


@dataclass
class Runner:
    """Sends requests one after the other, with what the earlier ones kept."""

    http: aiohttp.ClientSession
    variables: dict[str, str]
    failures: list[str] = field(default_factory=list)
    called: set[tuple[str, str]] = field(default_factory=set)

    async def run(self, request: Request) -> None:
        """Collects broken assertions; an answer that is not as specified is an error at once."""
        headers = {name.lower(): self.fill(value) for name, value in request.headers.items()}
        sent_id = headers.setdefault("x-request-id", str(uuid.uuid4()))
        if request.body is not None:
            headers["content-type"] = "application/json"
        data = self.fill(request.body) if request.body is not None else None
        async with self.http.request(request.method, self.fill(request.url), headers=headers, data=data) as answer:
            seen = {
                "status": answer.status,
                "headers": {name.lower(): value for name, value in answer.headers.items()},
                "body": await answer.json(content_type=None),
            }
            method = request.method.upper()
            pattern = pattern_of(answer.url.path)
            if pattern is not None:
                self.called.add((method, pattern))
                check_answer(method, pattern, answer.status, answer.content_type, seen["body"])
                assert answer.headers["X-Request-Id"] == sent_id
                if answer.status >= 400:
                    assert (seen["body"]["requestId"], seen["body"]["instance"]) == (sent_id, answer.url.path)
        for path, expectation in request.asserts:
            if not holds(find(seen, path), self.fill(expectation)):
                self.failures.append(f"{request.name}: {path}: {expectation}, but it is {find(seen, path)!r}")
        self.variables |= {name: str(find(seen, path)) for name, path in request.keeps.items()}

    def fill(self, text: str) -> str:
        """The text with its variables' values."""
        return VARIABLE.sub(lambda match: self.variables[match[1]], text)


def read(path: Path) -> Request:
    """A request of the collection."""
    blocks = {match["name"]: match["content"] for match in BLOCK.finditer(path.read_text(encoding="utf-8"))}
    method = next(name for name in METHODS if name in blocks)
    meta = dict(lines(blocks["meta"]))
    return Request(
        name=meta["name"],
        method=method,
        url=dict(lines(blocks[method]))["url"],
        headers=dict(lines(blocks.get("headers", ""))),
        body=blocks.get("body:json"),
        keeps=dict(lines(blocks.get("vars:post-response", ""))),
        asserts=tuple(lines(blocks.get("assert", ""))),
        order=int(meta["seq"]),
    )


def variables(path: Path) -> dict[str, str]:
    """An environment's variables."""
    [content] = [match["content"] for match in BLOCK.finditer(path.read_text(encoding="utf-8"))]
    return dict(lines(content))


def lines(content: str) -> Iterator[tuple[str, str]]:
    """The `name: value` lines of a block."""
    for line in content.splitlines():
        name, separator, value = line.strip().partition(": ")
        if separator:
            yield name, value


def find(seen: Any, path: str) -> Any:
    """What a path such as res.body.orders[0] leads to."""
    for name, number, quoted in STEP.findall(path.removeprefix("res")):
        try:
            seen = seen[int(number)] if number else seen[name or quoted]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return seen


def value(text: str) -> object:
    """A literal: quoted text, JSON, or plain text."""
    if text.startswith("'"):
        return text.strip("'")
    try:
        return json.loads(text)
    except ValueError:
        return text


def holds(found: Any, expectation: str) -> bool:
    """Whether a value is as an assertion says."""
    operator, _, operand = expectation.partition(" ")
    match operator:
        case "eq":
            return bool(found == value(operand))
        case "in":
            return found in [value(part.strip()) for part in operand.split(",")]
        case "startsWith":
            return str(found).startswith(operand)
        case "contains":
            return operand in str(found)
        case "isArray":
            return isinstance(found, list)
        case "isString":
            return isinstance(found, str)
        case "isNull":
            return found is None
        case "isUndefined":
            return found is MISSING
    raise ValueError(f"The runner knows no {operator}.")
