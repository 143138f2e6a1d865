# SPDX-License-Identifier: Apache-2.0
"""Derive's published PM2 cases as holdings, market and rule of this project."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tidegate.margin.derive_parameters import (
    CollateralTerms,
    DiscountTerms,
    PortfolioParameters,
)
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    Seen,
    dollar_of,
    forward_of,
    index_of,
    mark_of,
    rate_of,
    vol_of,
)
from tidegate.margin.scenario.shocks import Scenario, SkewCap, SkewShock, VolMove, VolShock
from tidegate.model.instruments import Index, Option, Perpetual

COIN = "COIN"
NOW_MS = 1_740_000_000_000
INDEX = Index("derive", COIN, Decimal("0.01"))
PERPETUAL = Perpetual("derive", f"{COIN}-PERP", COIN, "USDC", Decimal("0.01"), Decimal("0.001"))
MOVES = {
    "Up": VolMove.UP,
    "Down": VolMove.DOWN,
    "None": VolMove.NONE,
    "LINEAR": VolMove.LINEAR_SKEW,
    "ABS": VolMove.ABSOLUTE_SKEW,
}


def parameters(raw: dict[str, Any]) -> PortfolioParameters:
    vol, skew, margin = raw["VolShock"], raw["SkewShock"], raw["Margin"]
    basis, other = raw["BasisContingency"], raw["OtherContingency"]
    return PortfolioParameters(
        scenarios=tuple(
            Scenario(
                f"{n}: {each['SpotShock']} {each['VolShockDirection']}",
                each["SpotShock"],
                MOVES[each["VolShockDirection"]],
                each["DampeningFactor"],
            )
            for n, each in enumerate(raw["Scenarios"])
        ),
        vol_shock=VolShock(
            vol["VOLRANGEUP"],
            vol["VOLRANGEDOWN"],
            vol["SHORTTERMPOWER"],
            vol["LONGTERMPOWER"],
            vol["DTE_FLOOR"],
            vol["MIN_VOL_EVAL_SHOCKED"],
        ),
        skew_shock=SkewShock(
            SkewCap(skew["LINEAR_SCALE_CAP"], skew["LINEAR_CBASE"]),
            SkewCap(skew["ABS_SCALE_CAP"], skew["ABS_CBASE"]),
            skew["MIN_K_STAR"],
            skew["MIN_WIDTH_SCALE"],
            skew["VOL_PARAM_STATIC"],
            skew["VOL_PARAM_SCALE"],
        ),
        initial_factor=margin["IM_LOSS_FACTOR"],
        maintenance_factor=margin["MM_LOSS_FACTOR"],
        long_discount=DiscountTerms(
            margin["BASE_STATIC_DISCOUNT"],
            margin["LONG_RATE_MULTSCALE"],
            margin["LONG_RATE_ADDSCALE"],
        ),
        short_discount=DiscountTerms(
            margin["BASE_STATIC_DISCOUNT_NEG"],
            margin["SHORT_RATE_MULTSCALE"],
            margin["SHORT_RATE_ADDSCALE"],
        ),
        basis_up=basis["SCENARIO_SPOT_UP"],
        basis_down=basis["SCENARIO_SPOT_DOWN"],
        basis_static=basis["BASIS_CONT_ADD_FACTOR"],
        basis_per_year=basis["BASIS_CONT_MULT_FACTOR"],
        perpetual_maintenance=other["MM_PERP_PERCENT"],
        perpetual_initial=other["IM_PERP_PERCENT"],
        option_maintenance=other["MM_OPTION_PERCENT"],
        option_initial=other["IM_OPTION_PERCENT"],
        peg_threshold=other["PEG_LOSS_THRESHOLD"],
        peg_factor=other["PEG_LOSS_FACTOR"],
        confidence_threshold=other["CONF_THRESHOLD"],
        confidence_margin=other["CONF_MARGIN"],
        as_of="case",
        source="case",
    )


def option_of(number: int, raw: dict[str, Any]) -> Option:
    return Option(
        "derive",
        f"{number}",
        COIN,
        "USDC",
        Decimal("0.01"),
        Decimal("0.01"),
        strike=Decimal(repr(float(raw["Strike"]))),
        is_call=raw["IsCall"] == 1,
        expiry_ms=NOW_MS + round(raw["Expiry"] * 1000),
        index=INDEX,
    )


def pm2_market(raw: dict[str, Any]) -> MarketValues:
    values: dict[Key, tuple[float, float]] = {
        index_of(COIN): (raw["SpotPrice"], raw["SpotConfidence"]),
        dollar_of("USDC"): (raw["StablePrice"], raw["StableConfidence"]),
        mark_of(PERPETUAL.id): (raw["PerpPrice"], raw["PerpConfidence"]),
    }
    for feed in raw["OptionFeeds"]:
        expiry = NOW_MS + round(feed["FeedExpiry"] * 1000)
        values[forward_of(COIN, expiry)] = (feed["Forward"], feed["ForwardConfidence"])
        values[rate_of(COIN, expiry)] = (feed["Rate"], feed["RateConfidence"])
    sure = {feed["FeedExpiry"]: feed["OptionVolConfidences"] for feed in raw["OptionFeeds"]}
    for number, each in enumerate(raw["Options"]):
        name = option_of(number, each).id
        values[vol_of(name)] = (each["MarkVol"], sure[each["Expiry"]])
    for number, each in enumerate(raw["Collaterals"]):
        values[index_of(f"{number}:{each['Name']}")] = (each["Price"], each["Confidence"])
    seen = {key: Seen(value, NOW_MS, sure) for key, (value, sure) in values.items()}
    return MarketValues(NOW_MS, seen, 0, least_confidence=0.0)


def pm2_holdings(raw: dict[str, Any]) -> Holdings:
    positions = [
        Holding(option_of(number, each), each["Amount"], 0.0)
        for number, each in enumerate(raw["Options"])
    ]
    size = float(raw["NumPerps"])
    if size:
        entry = raw["PerpPrice"] - raw["UnrealisedPerpPNL"] / size
        positions.append(Holding(PERPETUAL, size, entry, raw["UnrealisedFunding"]))
    assets = {f"{n}:{each['Name']}": each["Amount"] for n, each in enumerate(raw["Collaterals"])}
    return Holdings(tuple(positions), {"USDC": float(raw["Cash"]), **assets})


def pm2_rule(case: dict[str, Any]) -> DerivePortfolio:
    terms = {
        f"{n}:{each['Name']}": CollateralTerms(
            each["MMHaircut"], each["IMHaircut"], each["IsRiskCancelling"]
        )
        for n, each in enumerate(case["Scenario"]["Collaterals"])
    }
    return DerivePortfolio(COIN, terms, parameters(case["Parameters"]))
