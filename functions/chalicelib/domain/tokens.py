"""The tokens that can be traded, with their real mints and decimals on Solana mainnet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

WRAPPED_SOL_MINT = "So11111111111111111111111111111111111111112"


@dataclass(frozen=True, slots=True)
class Token:
    """A token: `decimals` places separate its display amount from its base units (SPL amounts are u64)."""

    symbol: str
    mint: str
    decimals: int
    name: str
    native: bool = False
    listed: bool = True

    def __str__(self) -> str:
        return self.symbol


SOL = Token("SOL", WRAPPED_SOL_MINT, 9, "Solana", native=True)
WSOL = Token("WSOL", WRAPPED_SOL_MINT, 9, "Wrapped SOL")
USDC = Token("USDC", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6, "USD Coin")
USDT = Token("USDT", "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", 6, "Tether USD")
JUP = Token("JUP", "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN", 6, "Jupiter")
BONK = Token("BONK", "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", 5, "Bonk")
RAY = Token("RAY", "4k3Dyjzvzp8eMZWUXbBCjEvwSkkk59S5iCNLY3QrkX6R", 6, "Raydium")

REGISTRY: tuple[Token, ...] = (SOL, WSOL, USDC, USDT, JUP, BONK, RAY)
_BY_NAME = {token.symbol: token for token in REGISTRY} | {token.mint: token for token in REGISTRY if not token.native}

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# The simulated world's launches: the n-th has the symbol LNCH-n and a mint that holds n, so that either name will do.
LAUNCH_SYMBOL = re.compile(r"LNCH-(0|[1-9][0-9]{0,11})")
LAUNCH_MARK = 0x5A
LAUNCH_DECIMALS = 6


def find_token(symbol_or_mint: str) -> Token | None:
    """The token with this symbol (exact case) or mint address, None where the registry has none.

    The wrapped mint names WSOL: native SOL has no mint of its own.
    """
    return _BY_NAME.get(symbol_or_mint) or _launched(symbol_or_mint)


def launch_number(symbol: str) -> int | None:
    """Which launch's token has this symbol; None for every other token."""
    found = LAUNCH_SYMBOL.fullmatch(symbol)
    return int(found[1]) if found else None


def is_launched(token: Token) -> bool:
    """Whether it is a launch's token, which has a pool at one venue at most."""
    return launch_number(token.symbol) is not None


def launch_token(number: int) -> Token:
    """The token of that launch. It can be traded once its pool is open."""
    return Token(f"LNCH-{number}", _launch_mint(number), LAUNCH_DECIMALS, f"Launch {number}")


def _launched(symbol_or_mint: str) -> Token | None:
    number = launch_number(symbol_or_mint)
    if number is None:
        number = _number_in(symbol_or_mint)
    return None if number is None else launch_token(number)


def _launch_mint(number: int) -> str:
    """32 bytes in base58: a mark, the number, and its hash, without which nothing is one of these."""
    counted = bytes([LAUNCH_MARK]) + number.to_bytes(7, "big")
    return _base58(counted + blake2b(counted, digest_size=24).digest())


def _number_in(mint: str) -> int | None:
    if not 43 <= len(mint) <= 44 or any(character not in BASE58 for character in mint):
        return None
    value = 0
    for character in mint:
        value = value * 58 + BASE58.index(character)
    if value >> 248 != LAUNCH_MARK:
        return None
    number = (value >> 192) & ((1 << 56) - 1)
    return number if number < 10**12 and _launch_mint(number) == mint else None


def _base58(content: bytes) -> str:
    value, text = int.from_bytes(content, "big"), ""
    while value:
        value, digit = divmod(value, 58)
        text = BASE58[digit] + text
    return text


def delisted(symbol: str) -> Token:
    """A token that an old order names and the registry no longer has.

    Nobody knows its decimals any more: its amounts are told in base units, and it has no prices.
    """
    return Token(symbol, "", 0, symbol, listed=False)
