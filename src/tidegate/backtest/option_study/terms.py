# SPDX-License-Identifier: Apache-2.0
"""What the study assumes beside the data, in one place."""

from __future__ import annotations

from dataclasses import dataclass

CAPITAL_USD = 1_000_000.0
BINANCE = "binance"
# A sub-account a coin, cross-collateral in USDC under Deribit's portfolio margin.
DERIBIT = {"BTC": "deribit-btc", "ETH": "deribit-eth"}
# How capital is split at the start, and stays split where nothing may be moved.
SPLIT = {BINANCE: 0.4, "deribit-btc": 0.3, "deribit-eth": 0.3}
# Binance USD-M taker, base schedule: 5 bp; half a tick of spread and then some: 0.5 bp (assumed).
PERP_TAKER, PERP_HALF_SPREAD = 0.0005, 0.00005
# Deribit options: 3 bp of the underlying, at most 12.5 % of the premium (`costs.options`).
OPTION_FEE, OPTION_CAP = 0.0003, 0.125
# Volumes of a day for the square-root law (assumed, below what the venues report).
PERP_VOLUME_USD = {"BTC": 10e9, "ETH": 5e9}
OPTION_VOLUME_USD = {"BTC": 200e6, "ETH": 60e6}
VOL_DAILY = {"BTC": 0.025, "ETH": 0.035}
LOT = {"BTC": 0.1, "ETH": 1.0}
PERP_LOT = {"BTC": 0.001, "ETH": 0.001}
# Premiums and profits are turned into the collateral at once, for this share of them (assumed).
CONVERSION = 0.0001
# What a forced closing costs beyond spread and fee, of the underlying's notional (assumed).
LIQUIDATION = {"option": 0.0075, "perp": 0.005}
LEVERAGE = 20
HURDLE_ANNUAL = 0.04


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from sending until money has landed: in calm, and once BTC has moved by more than
    `stress_move` within a day (assumed)."""

    calm_s: float = 3_600.0
    stress_s: float = 28_800.0
    stress_move: float = 0.08


LATENCY = Latency()
# What a plan is told of the routes.
WAY_MEDIAN_S, WAY_P95_S = 1_800.0, 7_200.0

MANDATE = """
[mandate]
name = "option study"
capital_usd = "1000000"
hurdle_rate_annual = {{ value = "0.04", as_of = "2025-12-01", source = "assumed bill yield" }}
[limits]
gross_leverage = 8
naked_usd = 25_000
minimum_trade_usd = {least}
turnover_per_day = 60
[stress]
outer = {{ BTC = {btc}, ETH = {eth} }}
inner = {{ BTC = 0.08, ETH = 0.11 }}
vol = {{ up = 0.5, down = 0.3 }}
venue_spread = 0.003
outage_hours = {outage}
[stable.USDT]
price_usd = {{ value = "1", as_of = "2025-12-01", source = "assumed par" }}
[stable.USDC]
price_usd = {{ value = "1", as_of = "2025-12-01", source = "assumed par" }}
[edge]
minimum_t = {least_t}
payback_days = 20
half_life_days = 15
payback_share = 1.0
[option]
vega_usd = {{ beyond = 20_000 }}
gamma_usd = {{ BTC = 300_000, ETH = 300_000 }}
short_wings_coins = {{ BTC = 200, ETH = 5_000 }}
unwind_before_expiry_s = 86_400
[venue.binance]
rule = "binance_usdm"
collateral = "USDT"
claim_cap = 0.8
[venue.deribit-btc]
rule = "deribit_portfolio_cross"
collateral = "USDC"
claim_cap = 0.8
volume_share = 0.2
[venue.deribit-eth]
rule = "deribit_portfolio_cross"
collateral = "USDC"
claim_cap = 0.8
volume_share = 0.2
"""
INNER = {"BTC": 0.08, "ETH": 0.11}
MINIMUM_T = 1.0
