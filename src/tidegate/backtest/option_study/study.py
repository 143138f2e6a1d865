# SPDX-License-Identifier: Apache-2.0
"""Runs policies over one market and measures them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tidegate.backtest.option_study import baselines, joint, terms
from tidegate.backtest.option_study.baselines import Rule
from tidegate.backtest.option_study.books import Held, Look, Tiers, equity_usd, start
from tidegate.backtest.option_study.edges import Realised, realised
from tidegate.backtest.option_study.joint import Policy, Step, Switches
from tidegate.backtest.option_study.market import COINS, Market
from tidegate.backtest.option_study.world import Death, margins, pass_time
from tidegate.history.tables import VenueTables
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, YEAR_MS, format_time

POLICIES: Mapping[str, Policy] = {
    "cash": baselines.cash,
    **{f"fixed {b:.0%}": baselines.policy(Rule(b)) for b in (0.2, 0.35, 0.5, 0.65, 0.8)},
    "threshold 50%": baselines.policy(Rule(0.5, send_at=1.5)),
    "threshold 35%": baselines.policy(Rule(0.35, send_at=1.5)),
    "desk": baselines.policy(Rule(0.15, send_at=1.5, cut=True, leverage=3.0)),
    "per venue": joint.policy(Switches(alone=True)),
    "joint": joint.policy(Switches()),
}
ABLATIONS: Mapping[str, Policy] = {
    "joint, latency taken as none": joint.policy(Switches(instant=True)),
    "joint, no transfers": joint.policy(Switches(transfers=False)),
    "joint, no reductions between": joint.policy(Switches(reductions=False)),
    "joint, every day": joint.policy(Switches(every_days=1.0)),
    "joint, every week": joint.policy(Switches(every_days=7.0)),
    "joint, flat margin": joint.policy(Switches(venue_margin=False)),
    "joint, no bands": joint.policy(Switches(bands=False)),
    "joint, no certificate": joint.policy(Switches(certificate=False)),
    "joint, smaller moves": joint.policy(Switches(btc=0.08, eth=0.11)),
    "joint, larger moves": joint.policy(Switches(btc=0.25, eth=0.32)),
}


@dataclass(frozen=True, slots=True)
class Result:
    """One policy over the window: shares of capital or equity. `collateral_used` is mean
    maintenance over equity, `carry_kept` the mean expected carry of the options held a year,
    `refusals` how often a plan could not be made."""

    net_return: float
    liquidations: tuple[str, ...]
    worst_day: float
    drawdown: float
    collateral_used: float
    least_equity_over_maintenance: float | None
    carry_kept: float
    share_of_days_invested: float
    costs_and_pnl_usd: float
    refusals: int


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """A market made ready."""

    market: Market
    realised: Realised
    tiers: Tiers

    def look(self, step: int) -> Look:
        """The market at a step."""
        return Look(self.market, step, self.realised.at(self.market.ts_ms[step]), self.tiers)


def prepare(root: Path, market: Market) -> Study:
    """A study of a market with the tiers of the folder's tables at its start."""
    tables, tiers = VenueTables(root), {}
    for coin in COINS:
        entry = tables.maintenance_tiers("binance", f"{coin}USDT", market.ts_ms[0])
        if entry is None:
            raise InputError(str(root), f"tiers {coin}USDT", "expected a ladder of that time")
        tiers[coin] = [
            [f"{floor}", None if cap is None else f"{cap}", f"{float(rate):.10g}", leverage]
            for floor, cap, rate, _, leverage in entry.rows
        ]
    return Study(market, realised(market), tiers)


def run(study: Study, policy: Policy, looks: dict[int, Look] | None = None) -> Result:
    """One policy from the first step to the last, where all is valued at marks."""
    seen = {} if looks is None else looks
    held = start()
    deaths, path, refusals = list[Death](), list[tuple[float, float, float, float]](), 0
    last: Step | None = None
    count = len(study.market.ts_ms)
    for step in range(count - 1):
        look = seen.setdefault(step, study.look(step))
        last = policy(held, look, last)
        refusals += bool(last.refused)
        path.append(_measured(last.held, look))
        held, died = pass_time(last.held, look)
        deaths += died
        held = _with_yield(held, study.market.ts_ms[step : step + 2], policy)
    look = seen.setdefault(count - 1, study.look(count - 1))
    path.append(_measured(held, look))
    return _result(study, np.array(path), deaths, refusals)


def _with_yield(held: Held, times: tuple[int, ...], policy: Policy) -> Held:
    """Cash earns the hurdle; collateral earns nothing."""
    if policy is not baselines.cash:
        return held
    years = (times[1] - times[0]) / YEAR_MS
    for venue, usd in held.cash.items():
        held = held.with_cash(venue, usd * terms.HURDLE_ANNUAL * years)
    return held


def _measured(held: Held, look: Look) -> tuple[float, float, float, float]:
    """Equity, maintenance, least equity over maintenance of an account, carry a year, USD."""
    if baselines.flat(held):
        return equity_usd(held, look), 0.0, np.inf, 0.0
    seen = margins(held, look)
    ratios = [equity / mm for equity, _, mm in seen.values() if mm > 0.0]
    carry = 0.0
    for each, size in held.options.items():
        edge = look.edge(each)
        carry += size * look.quoted(each).index * edge[0] if edge is not None else 0.0
    total = sum(mm for _, _, mm in seen.values())
    return equity_usd(held, look), total, min(ratios, default=np.inf), carry


def _result(study: Study, path: Any, deaths: list[Death], refusals: int) -> Result:
    equity, maintenance, ratio, carry = path.T
    days = np.array(study.market.ts_ms) // DAY_MS
    closes = equity[np.flatnonzero(np.diff(days, append=days[-1] + 1))]
    peak = np.maximum.accumulate(equity)
    least = float(ratio.min())
    return Result(
        net_return=float(equity[-1] / terms.CAPITAL_USD - 1.0),
        liquidations=tuple(f"{d.venue} {format_time(d.ts_ms)}" for d in deaths),
        worst_day=float(np.min(np.diff(closes) / closes[:-1], initial=0.0)),
        drawdown=float((1.0 - equity / peak).max()),
        collateral_used=float((maintenance / equity).mean()),
        least_equity_over_maintenance=least if np.isfinite(least) else None,
        carry_kept=float((carry / equity).mean()),
        share_of_days_invested=float((maintenance > 0.0).mean()),
        costs_and_pnl_usd=float(equity[-1] - terms.CAPITAL_USD),
        refusals=refusals,
    )


def document(study: Study, results: Mapping[str, Result]) -> dict[str, Any]:
    """All results, and what they are of."""
    ends = [format_time(study.market.ts_ms[place]) for place in (0, -1)]
    return {
        "schema": "tidegate-option-study-1",
        "from": ends[0],
        "to": ends[1],
        "snapshots": len(study.market.ts_ms),
        "capital_usd": terms.CAPITAL_USD,
        "policies": {name: asdict(result) for name, result in results.items()},
    }


__all__ = ["ABLATIONS", "POLICIES", "Result", "Study", "document", "prepare", "run"]
