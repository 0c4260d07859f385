"""Why an order may fail, and what its owner can do; docs/errors.md and /docs show this."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chalicelib.domain.errors import ErrorCode

FAILURES: Mapping[ErrorCode, str] = MappingProxyType(
    {
        ErrorCode.INSUFFICIENT_LIQUIDITY: "The pool does not hold enough for the order. Place a smaller one.",
        ErrorCode.AMOUNT_TOO_SMALL: "The amount would buy nothing after fees. Place a larger one.",
        ErrorCode.NO_QUOTE: "No venue answered with a quote in any attempt. Place it again later.",
        ErrorCode.QUOTE_TIMEOUT: "The venues did not answer in time in any attempt. Place it again later.",
        ErrorCode.QUOTE_EXPIRED: "The quote ran out before the swap could be built. Place it again.",
        ErrorCode.SLIPPAGE_EXCEEDED: "The price moved past the limit and nothing was exchanged. Allow more slippage or "
        "place it again.",
        ErrorCode.TRANSACTION_EXPIRED: "The chain dropped the transaction and it can land no more. Place it again.",
        ErrorCode.SUBMIT_TIMEOUT: "The chain could not be asked. It is seen in attempts only: an unknown outcome never "
        "fails an order.",
        ErrorCode.PROCESSING_FAILED: "Our side failed again and again before anything could be exchanged. Place it "
        "again.",
    }
)
