"""Keys that are derived from the deployment's one secret: another for each purpose and generation.

A generation ends what was signed two generations ago, without another secret: what was signed by the one before the
present one still holds, so that pages that are being read and streams that connect again notice nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

# 128 bits: nobody finds a forgery by trying, and it fits a URL.
MAC_BYTES = 16


class Purpose(StrEnum):
    """What a signature is for: one that was made for another purpose never holds."""

    CURSOR = "cursor"
    STREAM_TICKET = "stream-ticket"
    FEED = "feed"


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """Signs with the key of `generation`; `secret` is the deployment's."""

    secret: str = field(repr=False)
    generation: int = 1

    @property
    def accepted(self) -> tuple[int, ...]:
        """The generations whose signatures hold."""
        return tuple(number for number in (self.generation, self.generation - 1) if number > 0)

    def sign(self, purpose: Purpose, content: bytes, generation: int | None = None) -> bytes:
        """The signature (HMAC-SHA-256, cut to 128 bits) by the present generation, or by another."""
        key = _derived_key(self.secret, purpose, self.generation if generation is None else generation)
        return hmac.digest(key, content, hashlib.sha256)[:MAC_BYTES]

    def holds(self, purpose: Purpose, content: bytes, signature: bytes) -> bool:
        """Whether an accepted generation made the signature; takes as long whatever is wrong with it."""
        return any(
            [hmac.compare_digest(signature, self.sign(purpose, content, number)) for number in self.accepted]  # noqa: C419
        )


# A process knows one secret, and asks for its purposes' keys of two generations.
@lru_cache(maxsize=len(Purpose) * 2)
def _derived_key(secret: str, purpose: Purpose, generation: int) -> bytes:
    return hmac.digest(secret.encode(), f"{purpose}:{generation}".encode(), hashlib.sha256)
