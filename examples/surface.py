# SPDX-License-Identifier: Apache-2.0
"""Fits a volatility surface to a chain of options, prices with it, and shocks it.

tidegate world chain --seed 6 --out chain.parquet
python examples/surface.py chain.parquet
"""

import sys
from pathlib import Path

from tidegate.history.chain_file import read_chain, snapshots
from tidegate.model.times import format_date
from tidegate.pricing.calibration import calibrate
from tidegate.pricing.surface import Shock

path = Path(sys.argv[1] if len(sys.argv) > 1 else "chain.parquet")
snapshot = snapshots(path)[0]
surface = calibrate(read_chain(path, snapshot))
print(f"{surface.currency}: arbitrage-free at all strikes: {surface.arbitrage_free}")

for expiry_ms, years, forward in zip(
    surface.expiry_ms, surface.expiry_years, surface.forward_usd, strict=True
):
    vols = surface.vol([0.9 * forward, forward, 1.1 * forward], years)
    print(
        format_date(int(expiry_ms)),
        "vol at 90, 100, 110 % of the forward:",
        *map("{:.1%}".format, vols),
    )

# Between the listed expiries, and after a shock: a put 10 % out of the money, 45 days away.
years = 45 / 365
strike = 0.9 * surface.forward_at(years)
crash = surface.shocked(Shock(level=0.3, term=0.2))
for name, held in (("now", surface), ("after a crash", crash)):
    print(f"{name}: put at {strike:,.0f} is worth {held.price_usd(strike, years, False):,.2f} USD")
