# SPDX-License-Identifier: Apache-2.0
"""What is held at a step, as the book that a plan reads and the accounts that rules judge.

The book goes through the reader of `tidegate plan`'s file, so that the study asks what a user asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tidegate.backtest.option_study import terms
from tidegate.backtest.option_study.edges import HALF_LIFE_DAYS, Variance
from tidegate.backtest.option_study.market import COINS, Contract, Market, years_to
from tidegate.engine.book_fields import Reader
from tidegate.engine.plan.book import PlanBook
from tidegate.engine.plan.book_file import plan_book_of
from tidegate.model.times import YEAR_MS, format_time
from tidegate.pricing.black76 import greeks, price

# Tiers of Binance, as the reader wants them.
Tiers = Mapping[str, list[list[Any]]]
FUNDING_DAYS = 7


@dataclass(frozen=True, slots=True)
class Perp:
    """A perpetual: coins, long +, and what they were entered at on average."""

    size: float = 0.0
    entry: float = 0.0

    def traded(self, size: float, at: float) -> tuple[Perp, float]:
        """After a trade, and the profit that it realises."""
        total = self.size + size
        if self.size * size >= 0.0:
            entry = (self.size * self.entry + size * at) / total if total else 0.0
            return Perp(total, entry), 0.0
        closed = min(abs(size), abs(self.size)) * (1.0 if self.size > 0.0 else -1.0)
        profit = closed * (at - self.entry)
        left = Perp(total, self.entry if total * self.size > 0.0 else at)
        return (Perp() if abs(total) < 1e-9 else left), profit


@dataclass(frozen=True, slots=True)
class Transit:
    """Money on its way."""

    lands_ms: int
    destination: str
    usd: float


@dataclass(frozen=True, slots=True)
class Held:
    """Dollars by account, perpetuals by coin, options in coins, and money in transit."""

    cash: Mapping[str, float]
    perps: Mapping[str, Perp]
    options: Mapping[Contract, float]
    transit: tuple[Transit, ...] = ()

    def with_cash(self, venue: str, usd: float) -> Held:
        """More or less money in an account."""
        return replace(self, cash={**self.cash, venue: self.cash[venue] + usd})


def start() -> Held:
    """The capital, split over the accounts."""
    cash = {venue: share * terms.CAPITAL_USD for venue, share in terms.SPLIT.items()}
    return Held(cash, {coin: Perp() for coin in COINS}, {})


@dataclass(frozen=True, slots=True, eq=False)
class Quoted:
    """An option at a step: USD of underlying per coin, value in coin, vol, vol at the money,
    and Black-76 delta (of its dollar value) and gamma times price; half spread in coin."""

    index: float
    forward: float
    mark: float
    vol: float
    money_vol: float
    delta: float
    gamma_share: float
    half_spread: float


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The market at a step, with forecasts."""

    market: Market
    step: int
    variance: Mapping[str, Variance]
    tiers: Tiers
    seen: dict[Contract, Quoted] = field(default_factory=dict)

    @property
    def ts_ms(self) -> int:
        """When."""
        return self.market.ts_ms[self.step]

    def price(self, coin: str) -> float:
        """The perpetual's."""
        return self.market.price(coin, self.step)

    def quoted(self, each: Contract) -> Quoted:
        """An option's figures; one that is not listed at this step is priced off its smile."""
        if each not in self.seen:
            self.seen[each] = self._quoted(each)
        return self.seen[each]

    def _quoted(self, each: Contract) -> Quoted:
        chain = self.market.chains[self.step][each.coin]
        index, row = chain.of.index_usd, chain.row(each)
        if each.expiry_ms not in chain.forwards:
            return self._expired(each, index)
        forward = chain.forwards[each.expiry_ms]
        years = max(1e-6, years_to(each.expiry_ms, self.ts_ms))
        vol = float(chain.vol(each.expiry_ms, np.log(each.strike_usd / forward)))
        half = 0.0
        mark = float(price(forward, each.strike_usd, years, vol, each.is_call)) / forward
        if row is not None:
            vol, mark = float(chain.of.vol_annual[row]), float(chain.of.mark[row])
            bid, ask = chain.of.bid[row], chain.of.ask[row]
            half = max(0.0, 0.5 * float(ask - bid)) if np.isfinite(bid + ask) else np.nan
        found = greeks(forward, each.strike_usd, years, vol, each.is_call)
        # An option without both quotes costs its own worth to close, at most a percent.
        half = half if np.isfinite(half) and row is not None else min(0.01, max(mark, 0.0005))
        gamma = float(found.gamma) * forward
        money = float(chain.vol(each.expiry_ms, 0.0))
        return Quoted(index, forward, mark, vol, money, float(found.delta), gamma, half)

    @staticmethod
    def _expired(each: Contract, index: float) -> Quoted:
        side = 1.0 if each.is_call else -1.0
        inner = max(0.0, side * (index - each.strike_usd))
        delta = side * float(inner > 0.0)
        return Quoted(index, index, inner / index, 0.01, 0.01, delta, 0.0, 0.0)

    def edge(self, each: Contract) -> tuple[float, float] | None:
        """Carry of being long an option and its error; None where nothing is forecast."""
        if each.coin not in self.variance:
            return None
        seen = self.quoted(each)
        return self.variance[each.coin].premium(seen.gamma_share, (seen.vol, seen.money_vol))

    def funding_annual(self, coin: str) -> tuple[float, float]:
        """What a long pays a year by the prints of the last days, and the mean's error."""
        prints = self.market.funding[coin]
        since = self.ts_ms - FUNDING_DAYS * 86_400_000
        rows = (prints.ts_ms > since) & (prints.ts_ms <= self.ts_ms)
        if rows.sum() < FUNDING_DAYS:
            return 0.0, 0.1
        rates = prints.rate_e12[rows] / 1e12 * (YEAR_MS / prints.interval_ms[rows])
        return float(rates.mean()), float(rates.std() / np.sqrt(rows.sum()))


def equity_usd(held: Held, look: Look, venue: str | None = None) -> float:
    """Equity at marks, of an account or of all with what is in transit."""
    total = 0.0
    for name in terms.SPLIT if venue is None else (venue,):
        total += held.cash[name]
        if name == terms.BINANCE:
            total += sum(p.size * (look.price(c) - p.entry) for c, p in held.perps.items())
    for each, size in held.options.items():
        if venue is None or terms.DERIBIT[each.coin] == venue:
            seen = look.quoted(each)
            total += size * seen.mark * seen.index
    return total + (sum(t.usd for t in held.transit) if venue is None else 0.0)


def plan_book(held: Held, look: Look, candidates: Iterable[Contract], told: Told) -> PlanBook:
    """The book at a step, with what may be traded."""
    options = sorted({*held.options, *candidates})
    value: dict[str, Any] = {
        "as_of": _time(look.ts_ms),
        "accounts": [_binance(held, look), *(_deribit(held, look, c, options) for c in COINS)],
        "routes": _routes(told),
        "stable": {"USDT": "1", "USDC": "1"},
        "correlation": "0.5",
        "edges": {},
        "costs": {},
    }
    for coin in COINS:
        name = f"{terms.BINANCE}:{coin}USDT"
        paid, error = look.funding_annual(coin)
        value["edges"][name] = _edge(-paid, error)
        value["costs"][name] = _costs(
            terms.PERP_TAKER,
            terms.PERP_HALF_SPREAD,
            terms.PERP_VOLUME_USD[coin],
            terms.VOL_DAILY[coin],
        )
    for each in options:
        edge, seen = look.edge(each), look.quoted(each)
        name = f"{terms.DERIBIT[each.coin]}:{each.symbol}"
        if edge is not None:
            value["edges"][name] = _edge(*edge)
        fee = min(terms.OPTION_FEE, terms.OPTION_CAP * seen.mark)
        moved = terms.VOL_DAILY[each.coin] * max(0.05, abs(seen.delta))
        volume = terms.OPTION_VOLUME_USD[each.coin]
        # A quote wider than its own underlying says no cost: the option may only be reduced.
        if seen.half_spread < 1.0:
            value["costs"][name] = _costs(fee, seen.half_spread, volume, moved)
    return plan_book_of(Reader("option study"), value)


@dataclass(frozen=True, slots=True)
class Told:
    """What a plan is told of the ways between accounts; none where there are no `routes`."""

    routes: bool = True
    median_s: float = terms.WAY_MEDIAN_S
    p95_s: float = terms.WAY_P95_S


def _time(ts_ms: int) -> str:
    return format_time(ts_ms // 1000 * 1000)


def _edge(carry: float, error: float) -> dict[str, Any]:
    return {
        "carry_annual": f"{carry:.8f}",
        "error_annual": f"{error:.8f}",
        "half_life_days": HALF_LIFE_DAYS,
    }


def _costs(fee: float, half: float, volume: float, vol: float) -> dict[str, Any]:
    return {
        "taker_fee": f"{max(0.0, fee):.8f}",
        "half_spread": f"{half:.8f}",
        "volume_day_usd": f"{volume:.0f}",
        "vol_daily": f"{vol:.6f}",
    }


def _routes(told: Told) -> list[dict[str, Any]]:
    if not told.routes:
        return []
    accounts = list(terms.SPLIT)
    return [
        {"source": a, "destination": b, "fee": "2", "minimum": "100"}
        | {"latency_median_s": told.median_s, "latency_p95_s": told.p95_s}
        | {"conversion_cost": f"{terms.CONVERSION}", "conversion_rate": "1"}
        for a in accounts
        for b in accounts
        if a != b
    ]


def _binance(held: Held, look: Look) -> dict[str, Any]:
    rows = []
    for coin in COINS:
        perp, mark = held.perps[coin], look.price(coin)
        row: dict[str, Any] = {"symbol": f"{coin}USDT", "kind": "perpetual", "base": coin}
        row |= {"settle": "USDT", "tick": "0.01", "lot": "0.001", "size": f"{perp.size:.3f}"}
        row |= {"mark": f"{mark:.2f}", "funding": "0", "tiers": look.tiers[coin]}
        if perp.size:
            row["entry"] = f"{perp.entry:.6f}"
        rows.append(row)
    return {
        "venue": terms.BINANCE,
        "rule": "binance_usdm",
        "collateral": "USDT",
        "leverage": terms.LEVERAGE,
        "balances": {"USDT": f"{held.cash[terms.BINANCE]:.6f}"},
        "positions": rows,
    }


def _deribit(held: Held, look: Look, coin: str, options: list[Contract]) -> dict[str, Any]:
    rows, forwards = [], dict[str, str]()
    for each in options:
        if each.coin != coin:
            continue
        seen = look.quoted(each)
        expiry = format_time(each.expiry_ms)
        forwards[expiry] = f"{seen.forward:.4f}"
        rows.append(
            {"symbol": each.symbol, "kind": "option", "base": coin, "settle": coin}
            | {"strike": f"{each.strike_usd:g}", "right": "call" if each.is_call else "put"}
            | {"expiry": expiry, "size": f"{held.options.get(each, 0.0):.1f}"}
            | {"lot": f"{terms.LOT[coin]}", "tick": "0.000001"}
            | {"mark": f"{max(seen.mark, 1e-6):.8f}", "vol": f"{seen.vol:.6f}"}
        )
    index = look.market.chains[look.step][coin].of.index_usd
    return {
        "venue": terms.DERIBIT[coin],
        "rule": "deribit_portfolio_cross",
        "collateral": "USDC",
        "balances": {"USDC": f"{held.cash[terms.DERIBIT[coin]]:.6f}"},
        "realised": {},
        "positions": rows,
        "coins": {coin: {"index": f"{index:.4f}", "forwards": forwards}},
    }
