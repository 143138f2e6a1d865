# SPDX-License-Identifier: Apache-2.0
"""A forecast may widen the engine's buffers where its owner says so, and does nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Literal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, structs

from tests.risk import desk
from tidegate.engine.outlook import Forecaster, Outlook
from tidegate.engine.widening import widened, widening_factors
from tidegate.history.bars import Bars
from tidegate.history.funding import FundingPrints as StoredPrints
from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate, read_plan_mandate
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.model.widening_terms import Widening
from tidegate.ports import PastBars
from tidegate.venues.replay import Liquidity, ReplayFeed

DAYS = 220
START_MS = 19_000 * DAY_MS
NOW_MS = START_MS + DAYS * DAY_MS
WAYS: tuple[Literal["volatility", "gauge"], ...] = ("volatility", "gauge")


def _bars(last_days: float = 1.0, days: int = DAYS) -> PastBars:
    """Hours of two coins whose last three days are so many times as volatile as the rest."""
    rng, n = np.random.default_rng(5), 24 * days
    scale = 0.004 * np.where(np.arange(n) < n - 72, 1.0, last_days)[:, None]
    close = 100.0 * np.exp(np.cumsum(scale * rng.standard_normal((n, 2)), axis=0))
    wide = np.exp(scale * np.abs(rng.standard_normal((n, 2))))
    open_ms = NOW_MS - HOUR_MS * np.arange(n, 0, -1, dtype=np.int64)
    return PastBars(open_ms, HOUR_MS, close * wide, close / wide, close)


def _mandate(widen: Widening | None) -> Mandate:
    stress = structs.replace(desk.MANDATE.stress, widen=widen or UNSET)
    return structs.replace(desk.MANDATE, stress=stress)


def _prints(venue: str, seed: int) -> StoredPrints:
    """Eight-hourly prints, past the end of the bars."""
    stamps = np.arange(START_MS, NOW_MS + 5 * DAY_MS, 8 * HOUR_MS, dtype=np.int64)
    rate = 1e8 * seed + 2e7 * np.random.default_rng(seed).standard_normal(stamps.size)
    interval = np.full(stamps.size, 8 * HOUR_MS, dtype=np.int64)
    return StoredPrints(venue, "BTC", stamps, rate.astype(np.int64), interval)


PRINTS = {desk.ALPHA_BTC: _prints("alpha", 1), desk.BETA_BTC: _prints("beta", 3)}


def _feed(bars: PastBars, prints: Mapping[str, StoredPrints] = PRINTS) -> ReplayFeed:
    """The feed of backtests over stored bars of both coins, and prints of BTC at both venues."""
    reference = {"BTC": desk.ALPHA_BTC, "ETH": desk.ALPHA_ETH}
    stored = {
        name: Bars(
            "alpha", coin, "last", HOUR_MS, bars.open_ms, bars.close[:, i], bars.high[:, i],
            bars.low[:, i], bars.close[:, i], None,
        )
        for i, (coin, name) in enumerate(reference.items())
    }  # fmt: skip
    known = {name: prints.get(name) for name in desk.INSTRUMENTS}
    liquidity = Liquidity(START_MS, HOUR_MS, {}, {})
    return ReplayFeed(desk.INSTRUMENTS, stored, known, reference, liquidity)


def _outlook(feed: ReplayFeed, widen: Widening | None, ts_ms: int = NOW_MS) -> Outlook:
    return Forecaster(feed, _mandate(widen), desk.INSTRUMENTS, {}).at(ts_ms)


def _written(value: object) -> str:
    """Every number of a value, to the bit."""
    with np.printoptions(threshold=10**9, floatmode="unique"):
        return repr(value)


def test_switch_that_is_not_said_leaves_the_mandate_and_its_version_as_they_were() -> None:
    assert _mandate(None).version == desk.MANDATE.version
    assert b"widen" not in msgspec.json.encode(desk.MANDATE)
    assert _mandate(Widening("gauge", 1.0)).version != desk.MANDATE.version


def test_switched_off_the_moves_are_the_same_to_the_bit() -> None:
    factors = widening_factors(UNSET, _bars(9.0), {"BTC": 0.2, "ETH": 0.2})
    assert factors == {"BTC": 1.0, "ETH": 1.0}
    moves = {"BTC": 0.1 + 0.2, "ETH": 1.0 / 3.0}
    assert widened(moves, factors) == moves


@pytest.mark.parametrize("by", WAYS)
def test_switched_on_both_levels_widen_in_stress_and_nothing_else_changes(
    by: Literal["volatility", "gauge"],
) -> None:
    bars = _bars(4.0)
    off, on = _outlook(_feed(bars), None), _outlook(_feed(bars), Widening(by, 0.5))
    for level in ("outer", "inner"):
        before, after = getattr(off, level), getattr(on, level)
        assert all(before[coin] < after[coin] < 1.0 for coin in before)
    assert off.edges
    for each in fields(Outlook):
        if each.name not in ("outer", "inner"):
            old, new = getattr(off, each.name), getattr(on, each.name)
            assert _written(old) == _written(new), each.name


def test_forecast_of_a_day_like_any_other_widens_nothing() -> None:
    bars = _bars()
    factors = widening_factors(Widening("volatility", 2.0), bars, {"BTC": 0.001, "ETH": 9.0})
    assert factors == {"BTC": 1.0, "ETH": 3.0}


@pytest.mark.parametrize("by", WAYS)
def test_past_too_short_to_know_counts_as_full_stress(by: Literal["volatility", "gauge"]) -> None:
    few = {"gauge": _bars(days=60), "volatility": _bars()}[by]
    if by == "volatility":
        few = PastBars(*(getattr(few, f.name)[:20] if f.name != "interval_ms" else HOUR_MS
                         for f in fields(PastBars)))  # fmt: skip
    assert widening_factors(Widening(by, 0.5), few, {"BTC": 0.01})["BTC"] == 1.5


@pytest.mark.parametrize("widen", [None, *(Widening(by, 0.5) for by in WAYS)])
def test_nothing_of_an_outlook_changes_when_bars_and_prints_after_it_do(
    widen: Widening | None,
) -> None:
    """Edges, carry, volatility, stress moves and scenarios, switched off and on."""
    bars, ts_ms = _bars(4.0), NOW_MS - 2 * DAY_MS
    later = (bars.open_ms + HOUR_MS > ts_ms)[:, None]
    changed = replace(
        bars,
        high=np.where(later, 5.0 * bars.high, bars.high),
        low=np.where(later, 0.2 * bars.low, bars.low),
        close=np.where(later, 2.0 * bars.close, bars.close),
    )
    prints = {
        name: replace(each, rate_e12=np.where(each.ts_ms > ts_ms, -9, 1) * each.rate_e12)
        for name, each in PRINTS.items()
    }
    plain, bent = _feed(bars), _feed(changed, prints)
    before, after = _outlook(plain, widen, ts_ms), _outlook(bent, widen, ts_ms)
    assert before.edges
    assert _written(before) == _written(after)
    # What came later is seen as soon as it is past.
    assert _outlook(plain, widen).edges != _outlook(bent, widen).edges
    assert _outlook(plain, widen).outer != _outlook(bent, widen).outer


@given(st.floats(0.001, 0.999), st.floats(0.0, 1.0), st.floats(0.01, 10.0), st.floats(0.0, 1.0))
def test_widened_moves_are_no_smaller_below_one_and_in_order(
    outer: float, share: float, strength: float, level: float
) -> None:
    factor = {"BTC": 1.0 + strength * level}
    inner = share * outer
    near, far = (widened({"BTC": move}, factor)["BTC"] for move in (inner, outer))
    assert inner <= near <= far < 1.0
    assert outer <= far


@pytest.mark.parametrize(
    ("said", "message"),
    [({"by": "direction", "strength": 1.0}, "by"), ({"by": "gauge", "strength": 0.0}, "strength")],
)
def test_bad_switch_is_refused(said: dict[str, object], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(said, Widening)


def test_plan_over_a_book_file_refuses_the_switch() -> None:
    text = """
[mandate]
name = "p"
capital_usd = "1"
hurdle_rate_annual = { value = "0", as_of = "2024-01-01", source = "assumed: none" }
[stress]
outer = { BTC = 0.3 }
inner = { BTC = 0.2 }
widen = { by = "gauge", strength = 1.0 }
[stable.USDC]
price_usd = { value = "1", as_of = "2024-01-01", source = "assumed: par" }
[venue.v]
rule = "deribit_standard"
collateral = "USDC"
"""
    with pytest.raises(InputError, match=r"stress\.widen: expected none"):
        read_plan_mandate(text, "m.toml")
