"""What a name that a client chooses may be: a user, a wallet, an id of his own."""

from __future__ import annotations

import re

MAX_TEXT = 128
# Control characters, since Postgres text cannot hold NUL and nobody can see the others; surrogates, which are no text;
# U+FFFD, which is what API Gateway makes of bytes that are no UTF-8.
FORBIDDEN_CHARS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


def has_good_length(text: str) -> bool:
    """Whether it has 1 to 128 characters that are not all spaces."""
    return 1 <= len(text) <= MAX_TEXT and not text.isspace()


def is_name(text: str) -> bool:
    """Whether it may name something; compared byte for byte, never normalised."""
    return has_good_length(text) and not FORBIDDEN_CHARS.search(text)
