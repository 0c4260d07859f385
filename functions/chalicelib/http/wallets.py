"""Strict wallet addresses: Ed25519 public keys in base58, as Solana writes them."""

from __future__ import annotations

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
KEY_BYTES = 32
# 58^44 > 2^256: no longer text can stand for 32 bytes.
MAX_CHARACTERS = 44
_DIGITS = {character: value for value, character in enumerate(ALPHABET)}
_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P


class InvalidWallet(ValueError):
    """The text is no wallet's address; it says why."""


def check_wallet(address: str) -> str:
    """The address as it came.

    Raises:
        InvalidWallet: not base58, not 32 bytes, or no point on the curve (an address of a program, which cannot sign).
    """
    if len(address) > MAX_CHARACTERS or any(character not in _DIGITS for character in address):
        raise InvalidWallet("must be a Solana wallet address: at most 44 base58 characters")
    key = _decoded(address)
    if len(key) != KEY_BYTES:
        raise InvalidWallet(f"must be a Solana wallet address: 32 bytes in base58, and this has {len(key)}")
    if not _is_on_curve(key):
        raise InvalidWallet("must be a wallet's own address: this one belongs to a program, which cannot sign")
    return address


def _decoded(text: str) -> bytes:
    number = 0
    for character in text:
        number = number * 58 + _DIGITS[character]
    zeros = len(text) - len(text.lstrip(ALPHABET[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)


def _is_on_curve(key: bytes) -> bool:
    """Whether an x exists with -x² + y² = 1 + d·x²·y² (RFC 8032, 5.1.3)."""
    encoded = int.from_bytes(key, "little")
    y, sign = encoded & ((1 << 255) - 1), encoded >> 255
    if y >= _P:
        return False
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x_squared = u * pow(v, -1, _P) % _P
    if x_squared == 0:
        return sign == 0
    return pow(x_squared, (_P - 1) // 2, _P) == 1
