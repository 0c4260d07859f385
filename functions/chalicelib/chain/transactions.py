"""The simulated chain's transactions: bytes that say what is to be exchanged, known by the signature over them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from chalicelib.domain.order import Fill, SignedTransaction
from chalicelib.domain.quotes import Venue

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSwap:
    """What the chain runs: the venue's program exchanges `fill`, or reverts for the reason in `refusal`."""

    order_id: str
    attempt: int
    venue: Venue
    fill: Fill
    refusal: str | None
    last_valid_height: int


def sign(swap: SimulatedSwap) -> SignedTransaction:
    """The swap's bytes and the signature that belongs to them: other bytes, another signature."""
    content = {
        "order": swap.order_id,
        "attempt": swap.attempt,
        "venue": swap.venue,
        "in": swap.fill.amount_in,
        "out": swap.fill.amount_out,
        "fee": swap.fill.fee,
        "refusal": swap.refusal,
        "until": swap.last_valid_height,
    }
    raw = json.dumps(content, separators=(",", ":")).encode()
    return SignedTransaction(signature_of(raw), raw, swap.last_valid_height)


def read(raw: bytes) -> SimulatedSwap:
    """The swap of these bytes."""
    content = json.loads(raw)
    return SimulatedSwap(
        order_id=content["order"],
        attempt=content["attempt"],
        venue=content["venue"],
        fill=Fill(content["in"], content["out"], content["fee"]),
        refusal=content["refusal"],
        last_valid_height=content["until"],
    )


def signature_of(raw: bytes) -> str:
    """64 bytes in base58, as Solana writes a signature."""
    number = int.from_bytes(hashlib.sha512(raw).digest())
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = BASE58[digit] + digits
    return digits
