# SPDX-License-Identifier: Apache-2.0
"""Venues' published cases of scenario margin as holdings, market and the oracles' parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.margin.oracle_deribit import (
    DeribitCurrency,
    DeribitPair,
    DeribitPortfolioParameters,
)
from tests.margin.oracle_derive_portfolio import (
    CollateralTerms,
    DerivePortfolioParameters,
    Scenario,
)
from tests.margin.oracle_derive_standard import BaseTerms, DeriveStandardParameters
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
from tidegate.model.instruments import Future, Index, Instrument, Option, Perpetual
from tidegate.model.times import HOUR_MS, parse_time_ms

NOW_MS = 1_739_934_748_000
TICK, LOT = Decimal("0.000001"), Decimal("0.000001")


def option(coin: str, settle: str, expiry_ms: int, strike: float, is_call: bool) -> Option:
    exact = Decimal(repr(float(strike)))
    name = f"{coin}_{settle}-{expiry_ms}-{exact}-{'C' if is_call else 'P'}"
    index = Index("test", f"{coin}_usd", TICK)
    terms = {"strike": exact, "is_call": is_call, "expiry_ms": expiry_ms, "index": index}
    return Option("test", name, coin, settle, TICK, LOT, **terms)  # type: ignore[arg-type]


def perpetual(coin: str, settle: str) -> Perpetual:
    """Settled in its own coin it is inverse, of 1 USD a contract."""
    face = Decimal(1) if settle == coin else None
    terms = ("test", f"{coin}_{settle}-PERPETUAL", coin, settle, TICK, LOT)
    return Perpetual(*terms, inverse_face_usd=face)


def future(coin: str, settle: str, expiry_ms: int) -> Future:
    face, index = Decimal(1) if settle == coin else None, Index("test", f"{coin}_usd", TICK)
    terms = ("test", f"{coin}_{settle}-{expiry_ms}", coin, settle, TICK, LOT)
    return Future(*terms, inverse_face_usd=face, expiry_ms=expiry_ms, index=index)


@dataclass
class Draft:
    """Positions and figures while a book is put together."""

    now_ms: int = NOW_MS
    positions: list[Holding] = field(default_factory=list)
    collateral: dict[str, float] = field(default_factory=dict)
    values: dict[Key, Seen] = field(default_factory=dict)

    def see(self, key: Key, value: float, confidence: float = 1.0) -> None:
        self.values[key] = Seen(value, self.now_ms, confidence)

    def hold(
        self, instrument: Instrument, size: float, entry: float = 0.0, funding: float = 0.0
    ) -> None:
        self.positions.append(Holding(instrument, size, entry, funding))

    def book(self) -> tuple[Holdings, MarketValues]:
        market = MarketValues(self.now_ms, dict(self.values), 60_000, least_confidence=0.0)
        return Holdings(tuple(self.positions), dict(self.collateral)), market


@dataclass(frozen=True)
class Case:
    """One published book; `parameters` are of the oracle that its kind belongs to."""

    name: str
    holdings: Holdings
    market: MarketValues
    parameters: Any
    expected: Any


# --- Derive, portfolio margin ----------------------------------------------------------------


def portfolio_parameters(raw: Any, scenario: Any) -> DerivePortfolioParameters:
    skew, vol, margin = raw["SkewShock"], raw["VolShock"], raw["Margin"]
    basis, other = raw["BasisContingency"], raw["OtherContingency"]
    return DerivePortfolioParameters(
        "COIN",
        tuple(
            Scenario(x["SpotShock"], x["VolShockDirection"].lower(), x["DampeningFactor"])
            for x in raw["Scenarios"]
        ),
        {
            asset_name(x): CollateralTerms(x["MMHaircut"], x["IMHaircut"], x["IsRiskCancelling"])
            for x in scenario["Collaterals"]
        },
        maintenance_factor=margin["MM_LOSS_FACTOR"],
        initial_factor=margin["IM_LOSS_FACTOR"],
        vol_up=vol["VOLRANGEUP"],
        vol_down=vol["VOLRANGEDOWN"],
        short_power=vol["SHORTTERMPOWER"],
        long_power=vol["LONGTERMPOWER"],
        dte_floor_days=vol["DTE_FLOOR"],
        min_vol_up_shock=vol["MIN_VOL_EVAL_SHOCKED"],
        long_base=margin["BASE_STATIC_DISCOUNT"],
        long_mult=margin["LONG_RATE_MULTSCALE"],
        long_add=margin["LONG_RATE_ADDSCALE"],
        short_base=margin["BASE_STATIC_DISCOUNT_NEG"],
        short_mult=margin["SHORT_RATE_MULTSCALE"],
        short_add=margin["SHORT_RATE_ADDSCALE"],
        linear_base_cap=skew["LINEAR_SCALE_CAP"],
        linear_c_base=skew["LINEAR_CBASE"],
        abs_base_cap=skew["ABS_SCALE_CAP"],
        abs_c_base=skew["ABS_CBASE"],
        min_k_star=skew["MIN_K_STAR"],
        width=skew["MIN_WIDTH_SCALE"],
        vol_static=skew["VOL_PARAM_STATIC"],
        vol_scale=skew["VOL_PARAM_SCALE"],
        basis_up=basis["SCENARIO_SPOT_UP"],
        basis_down=basis["SCENARIO_SPOT_DOWN"],
        basis_add=basis["BASIS_CONT_ADD_FACTOR"],
        basis_mult=basis["BASIS_CONT_MULT_FACTOR"],
        maintenance_perp=other["MM_PERP_PERCENT"],
        initial_perp=other["IM_PERP_PERCENT"],
        maintenance_option=other["MM_OPTION_PERCENT"],
        initial_option=other["IM_OPTION_PERCENT"],
        peg_threshold=other["PEG_LOSS_THRESHOLD"],
        peg_factor=other["PEG_LOSS_FACTOR"],
        confidence_threshold=other["CONF_THRESHOLD"],
        confidence_margin=other["CONF_MARGIN"],
    )


def asset_name(raw: Any) -> str:
    """The case's own name of a collateral, so that its price need not be the underlying's."""
    return f"held {raw['Name']}"


def add_perp(draft: Draft, raw: Any) -> None:
    size, price = raw["NumPerps"], raw["PerpPrice"]
    if size:
        perp = perpetual("COIN", "USDC")
        entry = price - raw["UnrealisedPerpPNL"] / size
        draft.hold(perp, size, entry, raw["UnrealisedFunding"])
        draft.see(mark_of(perp.id), price, raw["PerpConfidence"])


def add_options(draft: Draft, raw: Any) -> None:
    sure = {}
    for feed in raw["OptionFeeds"]:
        at = NOW_MS + 1000 * feed["FeedExpiry"]
        draft.see(forward_of("COIN", at), feed["Forward"], feed["ForwardConfidence"])
        draft.see(rate_of("COIN", at), feed["Rate"], feed["RateConfidence"])
        sure[at] = feed["OptionVolConfidences"]
    for x in raw["Options"]:
        at = NOW_MS + 1000 * x["Expiry"]
        held = option("COIN", "USDC", at, x["Strike"], bool(x["IsCall"]))
        draft.hold(held, x["Amount"])
        draft.see(vol_of(held.id), x["MarkVol"], sure[at])


def portfolio_case(path: Path) -> Case:
    data = json.loads(path.read_text())
    raw, draft = data["Scenario"], Draft()
    draft.see(index_of("COIN"), raw["SpotPrice"], raw["SpotConfidence"])
    draft.see(dollar_of("USDC"), raw["StablePrice"], raw["StableConfidence"])
    draft.collateral["USDC"] = raw["Cash"]
    for x in raw["Collaterals"]:
        draft.collateral[asset_name(x)] = x["Amount"]
        draft.see(index_of(asset_name(x)), x["Price"], x["Confidence"])
    add_perp(draft, raw)
    add_options(draft, raw)
    return Case(
        path.stem, *draft.book(), portfolio_parameters(data["Parameters"], raw), data["Result"]
    )


def portfolio_cases(root: Path) -> list[Case]:
    return [portfolio_case(path) for path in sorted((root / "derive-pm2").glob("*.json"))]


# --- Derive, standard manager ----------------------------------------------------------------


def add_unit_options(draft: Draft, raw: Any) -> None:
    """The forward of the last 30 minutes is the blended one, which the case gives as settlement."""
    names = ("OptionUnderlying", "OptionExpiries", "OptionStrikes", "OptionIsCall")
    terms = zip(*(raw[name] for name in (*names, "OptionAmounts", "OptionVols")), strict=True)
    for at, (coin, expiry, strike, call, size, vol) in enumerate(terms):
        blended = raw[f"SettlementPrice{coin}"] / 1e18
        when = NOW_MS + 1000 * expiry
        held = option(coin, "USDC", when, strike / 1e18, bool(call))
        draft.hold(held, size / 1e18)
        draft.see(vol_of(held.id), vol / 1e18, raw["OptionVolConfidences"][at] / 1e18)
        draft.see(forward_of(coin, when), blended, raw["ForwardConfidences"][at] / 1e18)


def add_unit_coin(draft: Draft, raw: Any, at: int, coin: str) -> None:
    spot_sure, perp_sure = (x / 1e18 for x in raw["SpotPerpConfidences"][at])
    draft.see(index_of(coin), raw[f"{coin}SpotPrice"] / 1e18, spot_sure)
    draft.collateral[coin] = raw[f"w{coin}"] / 1e18
    size = raw[f"Perps_{coin}"] / 1e18
    if size:
        perp = perpetual(coin, "USDC")
        paid = raw[f"Account{coin}FundingIndex"] - raw[f"{coin}GlobalFundingIndex"]
        draft.hold(perp, size, raw[f"LastEntry{coin}"] / 1e18, size * paid / 1e18)
        draft.see(mark_of(perp.id), raw["PerpPrice"][at] / 1e18, perp_sure)


def standard_unit_case(name: str, data: Any) -> Case:
    raw, draft = data["Scenario"], Draft()
    draft.see(dollar_of("USDC"), raw["USDCValue"] / 1e18)
    draft.collateral["USDC"] = raw["Cash"] / 1e18
    for at, coin in enumerate(("ETH", "BTC")):
        add_unit_coin(draft, raw, at, coin)
    add_unit_options(draft, raw)
    bases = {"ETH": BaseTerms(0.1), "BTC": BaseTerms(0.1)}
    return Case(name, *draft.book(), DeriveStandardParameters(bases), data["Result"])


def add_market(draft: Draft, market: Any) -> None:
    sure = market["confidence"]
    draft.see(dollar_of("USDC"), market["stable_price"])
    for coin, price in market["spot"].items():
        draft.see(index_of(coin.upper()), price, sure["spot"][coin])
        mark = mark_of(perpetual(coin.upper(), "USDC").id)
        draft.see(mark, market["perp"][coin], sure["perp"][coin])
        for expiry, seconds in market["seconds_to_expiry"].items():
            key = forward_of(coin.upper(), NOW_MS + 1000 * seconds)
            draft.see(key, market["forward"][coin][expiry], sure["forward"][coin].get(expiry, 1.0))


def standard_portfolio_case(name: str, data: Any) -> Case:
    draft, market = Draft(), data["market"]
    add_market(draft, market)
    draft.collateral["USDC"] = data["cash"] / 1e8
    for x in data["bases"]:
        draft.collateral[x["underlying"].upper()] = x["amount"] / 1e8
    for x in data["perps"]:
        perp = perpetual(x["underlying"].upper(), "USDC")
        draft.hold(perp, x["amount"] / 1e8, x["entryPrice"] / 1e8)
    for x in data["options"]:
        at = NOW_MS + 1000 * market["seconds_to_expiry"][x["expiry"]]
        held = option(x["underlying"].upper(), "USDC", at, x["strike"], x["type"] == "call")
        sure = market["confidence"]["vol"][x["underlying"]].get(x["expiry"], 1.0)
        draft.hold(held, x["amount"] / 1e8)
        draft.see(vol_of(held.id), market["vol"], sure)
    bases = {"ETH": BaseTerms(0.8), "BTC": BaseTerms(0.8)}
    return Case(name, *draft.book(), DeriveStandardParameters(bases), data["results"])


def standard_cases(root: Path, file: str) -> list[Case]:
    path = root / "derive-srm" / file
    if not path.is_file():
        return []
    read = standard_unit_case if file == "cases.json" else standard_portfolio_case
    return [read(name, data) for name, data in json.loads(path.read_text()).items()]


# --- Deribit ---------------------------------------------------------------------------------


def fields_of(kind: type[Any], raw: Any) -> dict[str, Any]:
    return {name: raw[name] for name in kind.__dataclass_fields__ if name in raw}


def deribit_parameters(raw: Any, expected: Any, coin: str) -> DeribitPortfolioParameters:
    names = {"usd": "USDC"}
    return DeribitPortfolioParameters(
        {
            names.get(name, name.upper()): DeribitCurrency(**fields_of(DeribitCurrency, values))
            for name, values in raw["currency"].items()
        },
        {
            name.split("_")[0].upper(): DeribitPair(**fields_of(DeribitPair, values))
            for name, values in raw["currency_pair"].items()
        },
        settlement=coin,
        mm_factor=raw["general"]["mm_factor"],
        buckets_count=raw["general"]["buckets_count"],
        open_orders_margin=expected.get("open_orders_margin", 0.0),
        mmp_margin=expected.get("mmp_margin", 0.0),
    )


MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()


def delivery_ms(name: str) -> int:
    """08:00 UTC of the day in a Deribit name such as BTC-28JUN24."""
    text = name.split("-")[1]
    month = MONTHS.index(text[-5:-2]) + 1
    day = f"20{text[-2:]}-{month:02d}-{int(text[:-5]):02d}"
    return parse_time_ms(day, "case", "delivery") + 8 * HOUR_MS


def deribit_case(raw: Any) -> Case:
    """Position sizes are coins; an inverse contract holds that many dollars at its mark."""
    draft = Draft(now_ms=raw["timestamp"])
    coin = next(iter(raw["ticker"])).split("-")[0]
    for name, ticker in raw["ticker"].items():
        perp = name.endswith("PERPETUAL")
        thing = perpetual(coin, coin) if perp else future(coin, coin, delivery_ms(name))
        price = ticker["mark_price"]
        draft.hold(thing, raw["portfolio_position"][name] * price, price)
        draft.see(mark_of(thing.id), price)
        draft.see(index_of(coin), ticker["index_price"])
    parameters = deribit_parameters(raw["model_params"], raw["expected"], coin)
    return Case(raw["source"], *draft.book(), parameters, raw["expected"])


def deribit_cases(root: Path) -> Iterator[Case]:
    path = root / "deribit" / "portfolio-margin.json"
    if path.is_file():
        yield from (deribit_case(raw) for raw in json.loads(path.read_text()))
