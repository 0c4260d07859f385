"""The simulated chain's transactions: bytes that say what is to be exchanged, known by the signature over them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from chalicelib.domain.order import Fill, SignedTransaction, attempt_reference
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
    fires: int = 0

    @property
    def attempt_reference(self) -> str:
        """As `Order.attempt_reference`."""
        return attempt_reference(self.order_id, self.fires, self.attempt)


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
        # From the second firing on: otherwise the same quote would make the signature of the first, and its end.
        **({"fires": swap.fires} if swap.fires > 1 else {}),
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
        fires=content.get("fires", 0),
    )


def signature_of(raw: bytes) -> str:
    """64 bytes in base58, as Solana writes a signature."""
    number = int.from_bytes(hashlib.sha512(raw).digest())
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = BASE58[digit] + digits
    return digits
