"""The tokens that can be traded, with their real mints and decimals on Solana mainnet."""

from __future__ import annotations

from dataclasses import dataclass

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


def find_token(symbol_or_mint: str) -> Token | None:
    """The token with this symbol (exact case) or mint address, None where the registry has none.

    The wrapped mint names WSOL: native SOL has no mint of its own.
    """
    return _BY_NAME.get(symbol_or_mint)


def delisted(symbol: str) -> Token:
    """A token that an old order names and the registry no longer has.

    Nobody knows its decimals any more: its amounts are told in base units, and it has no prices.
    """
    return Token(symbol, "", 0, symbol, listed=False)
