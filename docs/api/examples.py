"""Examples of answers, made of the schemas: what a field's examples, values and defaults say, else by its type."""

from collections.abc import Mapping
from typing import Any


def _amount(amount: str, base_units: str, token: str) -> dict[str, str]:
    return {"amount": amount, "baseUnits": base_units, "token": token}


_PAID, _RECEIVED = _amount("1.5", "1500000000", "SOL"), _amount("251.97105", "251971050", "USDC")
_QUOTED, _LEAST = _amount("252.097257", "252097257", "USDC"), _amount("250.836771", "250836771", "USDC")
# What makes the examples of one order agree: it is filled and nothing went wrong.
FIELDS: Mapping[str, object] = {
    "expectedInput": _PAID,
    "amountIn": _PAID,
    "executedInput": _PAID,
    "expectedOutput": _QUOTED["amount"],
    "expectedOutputBaseUnits": _QUOTED["baseUnits"],
    "amountOut": _QUOTED,
    "minimumOutputBaseUnits": _LEAST["baseUnits"],
    "executedOutput": _RECEIVED,
    "fee": _amount("0.00375", "3750000", "SOL"),
    "minimumOutput": _LEAST,
    "maximumInput": _PAID,
    "sequence": 5,
    "status": "confirmed",
    "error": None,
    "errorMessage": None,
    "nextCursor": None,
    "attempts": 1,
    "maxAttempts": 3,
    "outputToken": "USDC",
    "slippageBps": 50,
    "maxPriceImpactBps": 1500,
    "spreadBps": 322,
    "milliseconds": 2,
    "decimals": 9,
    "priceImpactPct": "0.01",
    "effectivePrice": "168.0648382",
    "executedPrice": "167.9807",
    "unavailable": [],
    "message": "Swapped 1.5 SOL for 251.97105 USDC.",
    "reason": "raydium gives 168.0648382 USDC per SOL after fees, meteora 161.6871297.",
    "userId": "user-1",
    "walletAddress": "wallet_12345",
    "clientOrderId": "my-order-1",
    "txHash": "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnb",
    "meta": {"txHash": "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnb", "finalExecutionPrice": "167.9807"},
    "checks": {
        "database": {"ok": True, "milliseconds": 1, "error": None},
        "queue": {"ok": True, "milliseconds": 2, "error": None},
    },
    "ticket": "t1.1.eyJzIjoidXNlci0xIn0.MTIzNDU2Nzg5MDEyMzQ1Ng",  # pragma: allowlist secret
    "websocketUrl": "wss://example.execute-api.eu-central-1.amazonaws.com/live?orderId=ord_019aad1c8f005f2b7c9d1e3a4b6c8d0f",
    "name": "Wrapped SOL",
    "mint": "So11111111111111111111111111111111111111112",
    "symbol": "WSOL",
    "version": "0.1.0",
}
# The same names where they are one text, as in an order.
IN_ONE_TEXT: Mapping[str, object] = {"minimumOutput": _LEAST["amount"], "maximumInput": _PAID["amount"]}
BY_FORMAT: Mapping[str, str] = {"date-time": "2026-11-22T18:00:00.000Z", "uri": "https://example.org"}


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "") -> Any:
    """A value that the schema takes; `name` is that of the field."""
    for values in (FIELDS, IN_ONE_TEXT):
        if name in values and _takes(schema, values[name], schemas):
            return values[name]
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        return example_of(options[0], schemas, name)
    return _by_type(schema, schemas)


def _by_type(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "object" if "properties" in schema:
            return {name: example_of(value, schemas, name) for name, value in schema["properties"].items()}
        case "object":
            values = schema.get("additionalProperties")
            return {"name": example_of(values, schemas)} if isinstance(values, Mapping) and values else {}
        case "array":
            return [example_of(schema["items"], schemas)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
    if schema.get("pattern", "").startswith("^[0-9]+"):
        return "1500000000"
    return BY_FORMAT.get(schema.get("format", ""), "text")


def _takes(schema: Mapping[str, Any], value: object, schemas: Mapping[str, Any]) -> bool:
    """Whether a field of that name takes the value, by the little that tells fields of one name apart."""
    options = [
        schemas[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in schema.get("anyOf", [schema])
    ]
    kinds: Mapping[str, type] = {
        "null": type(None),
        "string": str,
        "integer": int,
        "object": dict,
        "array": list,
        "number": int,
    }
    for option in options:
        if isinstance(value, kinds.get(option.get("type", ""), object)) and value in option.get("enum", [value]):
            return True
    return False
