"""Whether two requests ask for the same order."""

from __future__ import annotations

import hashlib
import json
from decimal import Context, Decimal

from chalicelib.domain.order import NewOrder, OrderType
from chalicelib.domain.quotes import DEFAULT_MAX_PRICE_IMPACT_BPS
from chalicelib.services.views import timestamp

_WIDE = Context(prec=80)


def fingerprint(new_order: NewOrder) -> str:
    """Tells whether two requests ask for the same order, however they were written."""
    fields = [
        new_order.user_id,
        new_order.wallet_address,
        new_order.input_token.symbol,
        new_order.output_token.symbol,
        new_order.side,
        str(new_order.amount),
        str(new_order.slippage_bps),
        new_order.client_order_id,
    ]
    if new_order.max_price_impact_bps != DEFAULT_MAX_PRICE_IMPACT_BPS:
        # Only then: a key that came before the field existed still stands for the same order.
        fields.append(f"maxPriceImpactBps={new_order.max_price_impact_bps}")
    if new_order.order_type is not OrderType.MARKET:
        fields += _resting_fields(new_order)
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def _resting_fields(new_order: NewOrder) -> list[str | None]:
    """`expires_at` as it was given: the moment that stands for none would make every repeat another order."""
    launch = new_order.launch
    return [
        new_order.order_type,
        _normal(new_order.limit_price),
        new_order.time_in_force,
        timestamp(new_order.expires_at) if new_order.expires_at else None,
        *(
            (
                launch.event,
                _normal(launch.minimum_liquidity_usd),
                str(launch.max_age_seconds),
                str(launch.require_safe),
            )
            if launch
            else ()
        ),
    ]


def _normal(value: Decimal | None) -> str | None:
    return None if value is None else str(value.normalize(_WIDE))
