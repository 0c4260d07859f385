"""The token registry."""

import pytest

from chalicelib.domain.tokens import (
    JUP,
    REGISTRY,
    SOL,
    WRAPPED_SOL_MINT,
    WSOL,
    Token,
    delisted,
    find_token,
    launch_token,
)

BASE58 = set("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")


@pytest.mark.parametrize("token", REGISTRY, ids=str)
def test_a_token_is_found_by_its_symbol(token: object) -> None:
    assert find_token(str(token)) is token


def test_a_mint_names_one_token_and_the_wrapped_mint_names_wsol() -> None:
    assert find_token(JUP.mint) is JUP
    assert find_token(WRAPPED_SOL_MINT) is WSOL


@pytest.mark.parametrize("name", ["", "sol", "DOGE", " SOL", "SOL\x00", WRAPPED_SOL_MINT.lower()])
def test_unknown_names(name: str) -> None:
    assert find_token(name) is None


def test_the_registry_is_sound() -> None:
    assert len({token.symbol for token in REGISTRY}) == len(REGISTRY)
    assert [token for token in REGISTRY if token.native] == [SOL]
    for token in REGISTRY:
        assert 32 <= len(token.mint) <= 44
        assert set(token.mint) <= BASE58
        assert 0 <= token.decimals <= 9


@pytest.mark.parametrize("number", [0, 7, 10**12 - 1])
def test_a_launchs_token_is_found_by_its_symbol_and_by_its_mint(number: int) -> None:
    token = launch_token(number)
    assert (find_token(token.symbol), find_token(token.mint)) == (token, token)
    assert 43 <= len(token.mint) <= 44


@pytest.mark.parametrize("mint", [launch_token(10**12).mint, launch_token(7).mint[:-1] + "1", "0" * 43, "z" * 44])
def test_a_mint_that_no_launch_has_is_unknown(mint: str) -> None:
    assert find_token(mint) is None


def test_a_delisted_token_is_counted_in_base_units() -> None:
    assert delisted("OLD") == Token("OLD", "", 0, "OLD", listed=False)
