# SPDX-License-Identifier: Apache-2.0
"""A study of a surface as values that JSON can hold; what is unknown is null."""

from __future__ import annotations

from typing import Any

import numpy as np

from tidegate.history.surface_study import SMILE_DELTAS, ExpiryStudy, SurfaceStudy
from tidegate.model.times import format_time
from tidegate.pricing.parity import ExpiryParity
from tidegate.pricing.surface import Surface


def document(study: SurfaceStudy) -> dict[str, Any]:
    """Expiries, quotes, arbitrage, parity, and the parameters that rebuild the surface."""
    found: dict[str, Any] = _without_nan(_surface(study))
    return found


def _surface(study: SurfaceStudy) -> dict[str, Any]:
    quality, found = study.quality, study.arbitrage
    return {
        "currency": study.chain.currency,
        "ts": format_time(study.chain.ts_ms),
        "expiries": [_expiry(expiry) for expiry in study.expiries],
        "quotes": {
            "listed": study.every.exclusion.size,
            "used": quality.quotes,
            "in_the_money": study.in_the_money,
            "dropped": study.dropped,
            "excluded": dict(quality.excluded),
            "inside_share": quality.inside_share,
            "median_error_vol_points": quality.median_error_vol_points,
        },
        "converged": quality.converged,
        "expiries_without_slice": {
            format_time(ms): why for ms, why in quality.dropped_expiries.items()
        },
        "arbitrage": {
            "proved_free": study.surface.arbitrage_free,
            "grid_points": found.points,
            "butterfly_violations": found.butterflies,
            "calendar_violations": found.calendars,
            "least_g": found.least_g,
            "least_rise": found.least_rise if np.isfinite(found.least_rise) else None,
        },
        "parity": [_parity(row) for row in study.parity],
        "parameters": _parameters(study.surface),
    }


def _expiry(expiry: ExpiryStudy) -> dict[str, Any]:
    smile = expiry.smile
    return {
        "expiry": format_time(expiry.expiry_ms),
        "days": expiry.days,
        "forward_usd": expiry.forward_usd,
        "atm_vol_annual": smile.atm_vol_annual,
        "put_25_vol_annual": smile.put_vol_annual,
        "call_25_vol_annual": smile.call_vol_annual,
        "risk_reversal_25_vol_annual": smile.risk_reversal,
        "butterfly_25_vol_annual": smile.butterfly,
        "smile": [
            {"call_delta": delta, "vol_annual": vol}
            for delta, vol in zip(SMILE_DELTAS, expiry.deltas_vol_annual, strict=True)
        ],
        "mark_atm_vol_annual": expiry.mark_atm_vol_annual,
        "used": expiry.quality.quotes,
        "in_the_money": expiry.in_the_money,
        "dropped": expiry.dropped,
        "inside_share": expiry.quality.inside_share,
        "median_error_vol_points": expiry.quality.median_error_vol_points,
    }


def _parity(row: ExpiryParity) -> dict[str, Any]:
    names = (
        "strikes forward_usd forward_error_usd discount discount_error reference_usd "
        "parity_violations worst_parity boxes box_violations worst_box"
    )
    found = {name: getattr(row, name) for name in names.split()}
    return {"expiry": format_time(row.expiry_ms), **found}


def _parameters(surface: Surface) -> dict[str, Any]:
    """What rebuilds the surface: two eSSVI regimes on the same expiries, mixed in price."""
    regimes = {
        name: {
            "theta": regime.theta.tolist(),
            "put_wing": regime.put_wing.tolist(),
            "call_wing": regime.call_wing.tolist(),
        }
        for name, regime in (("low", surface.low), ("high", surface.high))
    }
    return {
        "expiry": [format_time(int(ms)) for ms in surface.expiry_ms],
        "forward_usd": surface.forward_usd.tolist(),
        "discount": surface.discount.tolist(),
        "high_share": surface.high_share,
        **regimes,
    }


def _without_nan(value: Any) -> Any:
    """The same with null for what is no number: unknown is not zero."""
    if isinstance(value, dict):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and np.isnan(value) else value
