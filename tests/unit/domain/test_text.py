"""Names that clients choose."""

import pytest

from chalicelib.domain.text import MAX_TEXT, is_name


@pytest.mark.parametrize("text", ["x", " x ", "💥" * MAX_TEXT, "é"])
def test_a_name(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize("text", ["", " ", " \u2003", "x" * (MAX_TEXT + 1), "a\x00", "\x85", chr(0xD800), "\ufffd"])
def test_no_name(text: str) -> None:
    assert not is_name(text)
