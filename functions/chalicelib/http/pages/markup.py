"""HTML of specifications: text, schemas, examples. Everything is escaped here, once."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable

from chalicelib.http.schemas import REFERENCE, Schema

CODE = re.compile(r"`([^`]+)`")
MANY = 8


def text(words: str) -> str:
    """Escaped, with `code` marked up."""
    return CODE.sub(r"<code>\1</code>", html.escape(words))


def paragraphs(words: str) -> str:
    """One paragraph for each blank line."""
    return "".join(f"<p>{text(part)}</p>" for part in words.strip().split("\n\n"))


def example(value: object) -> str:
    """A JSON example."""
    return code_block(json.dumps(value, indent=2, ensure_ascii=False))


def code_block(words: str) -> str:
    """Preformatted text; BASE stands for the address that the page came from."""
    escaped = html.escape(words).replace("BASE", '<span class="base">http://localhost:3000</span>')
    return f"<pre><code>{escaped}</code></pre>"


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already; nothing where it would have no row."""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return ""
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def fields(schema: Schema) -> str:
    """An object's fields as a table."""
    required = set(schema.get("required", ()))
    return table(
        ("Field", "Type", "Meaning"),
        (
            (
                f"<code>{html.escape(name)}</code>"
                + ('<div class="must">required</div>' if name in required and _is_input(schema) else ""),
                kind(value),
                meaning(value),
            )
            for name, value in schema.get("properties", {}).items()
        ),
    )


def _is_input(schema: Schema) -> bool:
    return schema.get("additionalProperties") is False


def kind(schema: Schema) -> str:
    """A schema's type in a few characters, with links to models."""
    if "$ref" in schema:
        return _link(schema["$ref"])
    if "anyOf" in schema:
        return '<span class="kind"> | </span>'.join(dict.fromkeys(kind(option) for option in schema["anyOf"]))
    if schema.get("type") == "array":
        return f'{kind(schema["items"])}<span class="kind">[]</span>'
    if isinstance(schema.get("additionalProperties"), dict):
        return f'<span class="kind">map of </span>{kind(schema["additionalProperties"])}'
    if "const" in schema:
        return f'<span class="kind">{html.escape(json.dumps(schema["const"]))}</span>'
    name = schema.get("format") or schema.get("type", "any")
    return f'<span class="kind">{html.escape(str(name))}</span>'


def meaning(schema: Schema) -> str:
    """What a value says and which values it takes."""
    inner: Schema = next((option for option in schema.get("anyOf", ()) if option.get("type") != "null"), {})
    said = schema.get("description") or inner.get("description", "")
    parts = [f"<p>{text(said)}</p>"] if said else []
    values = schema.get("enum") or inner.get("enum") or ()
    if values:
        shown = ", ".join(f"<code>{html.escape(str(value))}</code>" for value in values[:MANY])
        parts.append(f'<span class="note">{shown}{" …" if len(values) > MANY else ""}</span>')
    limits = _limits(schema)
    if limits:
        parts.append(f'<span class="note">{html.escape(limits)}</span>')
    return "".join(parts)


def _limits(schema: Schema) -> str:
    words = []
    if "minimum" in schema and "maximum" in schema:
        words.append(f"from {schema['minimum']} to {schema['maximum']}")
    if "maxLength" in schema:
        words.append(f"{schema.get('minLength', 0)} to {schema['maxLength']} characters")
    if schema.get("default") is not None:
        words.append(f"default {schema['default']}")
    return ", ".join(words)


def _link(target: str) -> str:
    name = target.removeprefix(REFERENCE)
    return f'<a class="kind" href="#model-{html.escape(name)}">{html.escape(name)}</a>'
