# SPDX-License-Identifier: Apache-2.0
"""What the report says of losses, luck, exposures, capacity and baselines."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.generated import CARRY, FIRST_DAY, SEED, day
from tests.backtest.made_outcomes import (
    LEFT,
    RIGHT,
    START_MS,
    USD,
    arrangement,
    deposit,
    fill,
    outcome,
)
from tests.backtest.made_reports import died, lived, made_study
from tidegate.backtest.commands import parse_request, run_study
from tidegate.backtest.experiment import Experiment, Spec, prepare, run
from tidegate.backtest.honesty.sharpe import deflated_sharpe, sharpe_sample
from tidegate.backtest.measures import Measures, measure
from tidegate.backtest.report import render
from tidegate.backtest.report_against import YARDSTICKS, above, against_section
from tidegate.backtest.report_exposures import changes, exposure, factors
from tidegate.backtest.report_luck import excess, luck, trial_variance
from tidegate.backtest.report_periods import (
    crises,
    daily_returns,
    expected_shortfall,
    longest_below_peak_ms,
    parts,
    worst_stretch,
)
from tidegate.backtest.report_stress import (
    SCALES,
    breaking_scale,
    capacity,
    dearer,
    delay_cost,
    delay_section,
    judged,
    larger,
    slower,
)
from tidegate.backtest.run import Outcome, Series
from tidegate.history.generated import write_generated
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, parse_time_ms
from tidegate.simulation.tape import Freeze, FundingStamp, Tape, Track


def series(equity: list[int]) -> Series:
    return Series([START_MS + h * HOUR_MS for h in range(len(equity))], equity)


def ran(daily: list[float]) -> Outcome:
    """A run of whole days with these returns."""
    levels = 1_000.0 * np.cumprod([1.0, *(1.0 + r for r in daily)])
    hourly = [
        round(USD * x)
        for x in np.interp(np.arange(24 * len(daily) + 1) / 24, np.arange(len(levels)), levels)
    ]
    made = outcome([deposit()], 24 * len(daily), "tidegate", 2_000)
    return replace(made, series=replace(made.series, equity=hourly))


def kept(carry: float, impact: float = 0.0, label: str = "tidegate") -> Measures:
    made = measure(lived(label), arrangement())
    fall = {**made.waterfall_usd, "capital": 1_000.0, "impact": -1_000.0 * impact}
    return msgspec.structs.replace(made, carry_kept=carry, waterfall_usd=fall)


EQUITY = st.lists(st.integers(1, 10_000), min_size=2, max_size=80)


@given(EQUITY, st.integers(1, 30))
def test_worst_stretch_is_the_least_of_all_stretches(equity: list[int], hours: int) -> None:
    said = [b / a - 1 for a, b in zip(equity, equity[hours:], strict=False)]
    assert worst_stretch(series(equity), hours) == (pytest.approx(min(said)) if said else None)


@given(EQUITY)
def test_time_below_a_peak_is_the_longest_since_the_highest_before(equity: list[int]) -> None:
    longest = max(
        h - max(i for i in range(h + 1) if equity[i] == max(equity[: h + 1]))
        for h in range(len(equity))
    )
    assert longest_below_peak_ms(series(equity)) == longest * HOUR_MS


def test_days_after_ruin_are_no_returns() -> None:
    equity = [100] * 24 + [50] * 24 + [-5] * 24 + [7] * 24
    assert daily_returns(series(equity)).tolist() == [-0.5, pytest.approx(-1.1)]


def test_shortfall_is_the_mean_of_the_worst_twentieth_and_needs_twenty_days() -> None:
    returns = np.array([0.01 * i for i in range(-2, 38)])
    assert expected_shortfall(returns) == pytest.approx(-0.015)
    assert expected_shortfall(returns[:19]) is None


def test_parts_of_a_window_meet_without_gap_and_say_what_is_after_2023() -> None:
    start, end = (parse_time_ms(day, "", "") for day in ("2023-11-20", "2024-02-10"))
    found = parts(start, end)
    assert [name for name, _, _ in found] == [
        *("2023-11-20", "2023-12-01", "2024-01-01", "2024-02-01", "from 2024 on")
    ]
    inside = found[:-1]
    assert [a for _, a, _ in inside] == [start, *(b for _, _, b in inside[:-1])]
    assert inside[-1][2] == end
    assert len(parts(end, end + 21 * DAY_MS)) == 3
    assert len(parts(end, end + 5 * DAY_MS)) == 5


def market(days: int, coin: np.ndarray, rate: np.ndarray) -> Tape:
    """Hours of a coin's returns, and funding of the left contract once a day."""
    prices = np.round(1e6 * np.cumprod(1.0 + coin)).astype(int).tolist()
    opened = [1_000_000, *prices[:-1]]
    depth = [1.0] * len(prices)
    track = Track(opened, prices, prices, prices, depth, depth)
    stamps = tuple(
        FundingStamp(START_MS + d * DAY_MS + HOUR_MS, LEFT, round(1e12 * rate[d]))
        for d in range(days)
    )
    return Tape(START_MS, HOUR_MS, 24 * days, {LEFT: track, RIGHT: track}, stamps)


def test_regression_finds_the_slopes_that_equity_was_made_with() -> None:
    days, rng = 80, np.random.default_rng(4)
    wild = np.repeat(0.002 + 0.004 * rng.random(days), 24)
    tape = market(days, wild * rng.standard_normal(24 * days), 1e-4 * rng.random(days))
    drivers = factors(arrangement(), tape, LEFT)
    made = exposure(0.0002 + drivers @ [0.3, 2.0, 0.5], drivers)
    assert made is not None
    slopes = [slope for slope, _ in filter(None, made.slopes)]
    assert slopes == pytest.approx([0.3, 2.0, 0.5], rel=1e-6)
    assert made.explained == pytest.approx(1.0)
    noise = exposure(0.01 * rng.standard_normal(days), drivers)
    assert noise is not None
    assert all(abs(s / e) < 3.5 for s, e in filter(None, noise.slopes))


def test_factor_that_never_varies_has_no_slope_and_few_days_have_none_at_all() -> None:
    drivers = np.column_stack([np.arange(20.0), np.ones(20)])
    made = exposure(0.5 * np.arange(20.0), drivers)
    assert made is not None
    assert made.slopes[1] is None
    assert exposure(np.arange(9.0), drivers) is None
    assert changes(ran([0.1, 0.1]).series) == pytest.approx([0.1, 0.11])


def test_luck_is_that_of_the_published_formulae_on_days_above_the_hurdle() -> None:
    rng = np.random.default_rng(8)
    run = ran((0.001 + 0.004 * rng.standard_normal(120)).tolist())
    record = excess(run, 0.05)
    assert record == pytest.approx(daily_returns(run.series) - 0.05 / 365)
    variance = trial_variance([record, -record, np.ones(120)])
    ratio = sharpe_sample(record).sharpe
    assert variance == pytest.approx(2 * ratio**2)
    found = luck(record, variance, 40, 1)
    assert found is not None
    assert found.deflated == deflated_sharpe(sharpe_sample(record), variance, 40)
    assert found.deflated < found.probabilistic
    assert found.low < found.mean < found.high


def test_record_of_few_days_or_of_no_change_says_nothing() -> None:
    assert luck(np.arange(9.0), 0.1, 3, 1) is None
    assert luck(np.ones(50), 0.1, 3, 1) is None
    assert "Fewer than 10 days: nothing can be said." in render(made_study([lived()]))


def test_report_states_no_ratio_of_a_year() -> None:
    rng = np.random.default_rng(3)
    text = render(made_study([ran((0.004 * rng.standard_normal(30)).tolist())]))
    said = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL).lower()
    assert "sharpe ratio a day, never a year" in said
    assert not re.search(r"sharpe[^.|<]*annual|annual[^.|<]*sharpe", said)
    assert "After 23 trials this record" in text


@given(st.floats(0.001, 0.5), st.floats(0.0005, 0.2))
def test_capacity_is_what_was_kept_at_its_own_size_and_ends_where_it_says(
    carry: float, impact: float
) -> None:
    made = kept(carry, impact)
    curve = capacity(made)
    assert curve[SCALES.index(1.0)] == (1_000.0, pytest.approx(carry))
    assert all(a[1] > b[1] for a, b in pairwise(curve))
    scale = breaking_scale(made, 0.0)
    assert scale is not None
    assert carry + impact * (1 - math.sqrt(scale)) == pytest.approx(0.0, abs=1e-9)


def test_capacity_without_impact_has_no_end() -> None:
    assert breaking_scale(kept(0.02), 0.0) is None
    assert breaking_scale(kept(-0.3, 0.1), 0.0) is None


@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=8))
def test_every_policy_that_lived_and_kept_more_is_named_as_above(carries: list[float]) -> None:
    subject = kept(0.05)
    rivals = [kept(c, label=f"fixed {i + 1}") for i, c in enumerate(carries)]
    found = [m.label for m, _ in above(subject, rivals, YARDSTICKS[0])]
    assert sorted(found) == sorted(m.label for m in rivals if m.carry_kept > 0.05)
    dead = [msgspec.structs.replace(m, death_ms=1) for m in rivals]
    assert above(subject, dead, YARDSTICKS[0]) == []


def test_section_of_baselines_says_when_the_subject_itself_was_liquidated() -> None:
    subject, other = (
        measure(died("tidegate"), arrangement()),
        measure(lived("fixed 2"), arrangement()),
    )
    assert "It was liquidated; fixed 2 lived." in against_section(subject, [other])
    assert "1 of 1" in against_section(kept(0.01), [kept(0.02, label="fixed 2")])
    assert "Nothing ran beside it." in against_section(subject, [])


def test_crises_are_freezes_first_and_then_the_days_that_went_furthest() -> None:
    coin = np.zeros(24 * 6)
    coin[24 * 2 + 3], coin[24 * 4 + 5] = -0.2, 0.1
    tape = market(6, coin, np.zeros(6))
    frozen = Freeze("left", START_MS, START_MS + HOUR_MS)
    found = crises(tape, (frozen,), LEFT)
    assert [c.start_ms for c in found[:3]] == [START_MS, *(START_MS + d * DAY_MS for d in (2, 4))]
    assert "-20.0%" in found[1].name
    assert len(crises(None, (frozen,), LEFT)) == 1


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "market-data"
    write_generated(root, SEED, FIRST_DAY + 3)
    return root


@pytest.fixture(scope="module")
def experiment(world: Path) -> Experiment:
    days = [parse_time_ms(day(FIRST_DAY + i), "", "") for i in (0, 1)]
    return prepare(CARRY, world, Window(*days), (), 1)


def spent(experiment: Experiment, cause: str) -> float:
    made = run(experiment, Spec("fixed", 2.0), None)
    return -made.ledger.waterfall.get(cause, 0) / USD


@pytest.mark.parametrize("factor", [2, 3])
def test_dearer_terms_take_so_many_times_each_cost(experiment: Experiment, factor: int) -> None:
    harder = dearer(experiment, factor)
    for cause in ("fees", "spread", "impact"):
        # Fills round to ticks against us, and the book that is opened costs a little of itself.
        usual = spent(experiment, cause)
        assert usual > 0
        assert spent(harder, cause) == pytest.approx(factor * usual, rel=0.1), cause


def test_slower_terms_double_every_quantile_and_larger_ones_keep_the_share_of_fees(
    experiment: Experiment,
) -> None:
    usual, slow = (e.arrangement.terms.passages for e in (experiment, slower(experiment, 2)))
    for ends, passage in usual.items():
        for level in (0.1, 0.5, 0.95):
            doubled = 2 * passage.latency_quantile_s(level)
            assert slow[ends].latency_quantile_s(level) == pytest.approx(doubled)
    assert spent(larger(experiment, 3), "fees") == pytest.approx(
        3 * spent(experiment, "fees"), rel=0.01
    )
    # The square-root law: three times the size, the square root of three more a dollar.
    impact = spent(larger(experiment, 3), "impact") / spent(experiment, "impact")
    assert impact == pytest.approx(3**1.5, rel=0.05)


def test_waiting_costs_a_deviation_of_each_order_and_doubles_with_four_times_the_wait() -> None:
    """By hand: 200 dollars at 4 % a day over a day, and 100 at the next hour's 9 %, of 1,000."""
    depth = [1.0] * 4
    vols = [0.04, 0.09, 0.5, 0.5]
    track = Track([100] * 4, [100] * 4, [100] * 4, [100] * 4, depth, vols)
    tape = Tape(START_MS, HOUR_MS, 4, {LEFT: track, RIGHT: track}, ())
    events = [deposit(), fill(0, LEFT, 2), fill(1, RIGHT, -1), fill(2, LEFT, -1, liquidation=True)]
    made = outcome(events, 4, "tidegate", 300)
    day_cost = delay_cost(made, arrangement(), tape, 86_400)
    assert day_cost == pytest.approx((200 * 0.04 + 100 * 0.09) / 1_000)
    assert delay_cost(made, arrangement(), tape, 21_600) == pytest.approx(day_cost / 2)
    said = delay_section(made, arrangement(), tape)
    assert "latency x2 is of transfers alone" in said
    assert "bp in 1 s, " in said
    assert "which this report lacks" in delay_section(made, arrangement(), None)


def test_subject_and_the_nearest_policy_that_lived_run_at_harder_terms() -> None:
    made = [
        measure(lived(n, g), arrangement()) for n, g in (("tidegate", 5_000), ("fixed 4", 4_000))
    ]
    made += [measure(lived("fixed 1", 1_000), arrangement()), measure(died(), arrangement())]
    assert judged(made) == (Spec("tidegate"), Spec("fixed", 4.0))


def test_honest_report_shows_the_harder_runs_and_needs_a_folder(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    window = (CARRY, world, day(FIRST_DAY), day(FIRST_DAY))
    request = parse_request(window, ["tidegate", "fixed=2"], [], (1, 1))
    with pytest.raises(InputError, match="--honest: --out: expected a folder"):
        run_study(request, None, as_json=True, honest=True)
    run_study(request, tmp_path / "out", as_json=True, honest=True)
    capsys.readouterr()
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for terms in ("costs x2", "costs x3", "latency x2", "capital x3", "capital x10"):
        assert text.count(f'<th scope="row">{terms}</th>') == 2
    assert "holds no prices" not in text
