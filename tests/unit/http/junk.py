"""What a client might send that nobody thought of."""

import json
from collections.abc import Mapping
from typing import TypeAlias

from hypothesis import strategies as st

Json: TypeAlias = object
NASTY = (
    "", " ", "\x00", "a\x00b", "\n", "\u2028", "\u202e", "\ufeff", "\ufffd", "\ud800", "💥" * 40, "é", "e\u0301",
    "x" * 127, "x" * 128, "x" * 129, "x" * 3000, "' OR 1=1 --", "<script>alert(1)</script>", "${jndi:ldap://x}",
    "../../etc/passwd", "%00", "%s%n", "null", "NaN", "-0", "1e400", "0x1F", "١٢٣",
)  # fmt: skip
texts = st.one_of(
    st.sampled_from(NASTY), st.text(max_size=200), st.text(st.characters(categories=["Cc", "Cf", "Cs"]), max_size=5)
)
numbers = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 1, 2**53, 2**63, 2**64, 10**30, 10**400]),
    st.floats(allow_nan=False, allow_infinity=False),
)
scalars: st.SearchStrategy[Json] = st.one_of(st.none(), st.booleans(), numbers, texts)
values: st.SearchStrategy[Json] = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)
deep = st.integers(1, 3000).map(lambda depth: "[" * depth + "]" * depth)
# As it stands in a body: JSON, or what only looks like it.
written = st.one_of(
    values.map(json.dumps),
    deep,
    st.sampled_from(
        ["NaN", "Infinity", "-Infinity", "1e99999999999999999999", "1E-99999999999999999999", "0.1e", "01", "+1", "'a'",
         '"\\ud800"', '"\\u0000"', "1" * 5000, "1." + "1" * 5000, "1e400", "-", "tru", "", "{", '"', "\x00"]
    ),
)  # fmt: skip
header_texts = st.one_of(
    texts,
    st.sampled_from(
        ["application/json", "text/plain", "*/*", "application/json;charset=utf-16", "gzip", "br", ";;;", "=", ","]
    ),
)


def body_of(fields: Mapping[str, str]) -> str:
    """A JSON object of values that are written already."""
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in fields.items()) + "}"
