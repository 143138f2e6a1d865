# SPDX-License-Identifier: Apache-2.0
"""Fitting the world to a history: what made it is found again, and the file says what is not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tidegate.cli import app
from tidegate.model.errors import InputError
from tidegate.simulation.world import WorldParameters, make_world
from tidegate.simulation.world.fit_jumps import LAWS, crash_betas, jump_point, local_deviation
from tidegate.simulation.world.fit_sample import read_sample
from tidegate.simulation.world.fitting import Estimate, Sample, fit_world
from tidegate.simulation.world.parameter_file import load_parameters, parameter_text

DAYS = 150
ERRORS = 3.0


def parameters(kind: str) -> WorldParameters:
    """Three coins at two venues: as they are, or calmer, less alike and of a quicker premium."""
    p = WorldParameters()
    p = replace(p, coins=p.coins[:3], venues=p.venues[:2])
    if kind == "default":
        return p
    return replace(
        p,
        coins=tuple(replace(coin, vol_annual=2.0 * coin.vol_annual) for coin in p.coins),
        regimes=replace(p.regimes, slow_deviation=0.25, correlation_calm=0.45),
        basis=replace(p.basis, deviation=5.0e-4),
        premium=replace(p.premium, common_deviation=3.5e-4, half_life_hours=48.0),
    )


def sample(p: WorldParameters, seed: int, days: int = DAYS) -> Sample:
    """A calm world as a history of it would stand in a folder."""
    world = make_world(p, seed, days, "calm", 0)
    coins = tuple(coin.name for coin in p.coins)
    quarters, hours = 900_000 // p.step_ms, 3_600_000 // p.step_ms
    closes = [world.close[f"binance:{coin}"][quarters - 1 :: quarters] for coin in coins]
    other = [world.close[f"hyperliquid:{coin}"][hours - 1 :: hours] for coin in coins]
    rates = [[8e-12 * r for _, n, r in world.funding if n == f"hyperliquid:{c}"] for c in coins]
    return Sample(coins, np.array(closes), np.array(other), np.array(rates))


@cache
def fitted(kind: str, seed: int) -> tuple[Estimate, ...]:
    return fit_world(sample(parameters(kind), seed))


def true_value(p: WorldParameters, name: str) -> float:
    part, *names, field = name.split(".")
    owner = getattr(p, part)
    for key in names:
        owner = next(one for one in owner if one.name == key)
    return float(getattr(owner, field))


def assert_recovered(kind: str, seed: int) -> None:
    p = parameters(kind)
    far = {
        one.name: (one.value, one.error, true_value(p, one.name))
        for one in fitted(kind, seed)
        if one.determined and abs(one.value - true_value(p, one.name)) > ERRORS * one.error
    }
    assert not far


@pytest.mark.parametrize(("kind", "seed"), [("default", 11), ("other", 12)])
def test_fit_of_a_world_of_known_parameters_recovers_them_within_three_errors(
    kind: str, seed: int
) -> None:
    """Of two worlds that differ in all that is fitted; most of it must be determined at all."""
    assert_recovered(kind, seed)
    known = {one.name for one in fitted(kind, seed) if one.determined}
    wanted = {f"coins.{coin}.vol_annual" for coin in ("BTC", "ETH", "SOL")}
    assert wanted | {"basis.deviation", "regimes.correlation_calm"} <= known


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["default", "other"])
@pytest.mark.parametrize("seed", range(20, 30))
def test_fit_of_many_worlds_recovers_their_parameters_within_three_errors(
    kind: str, seed: int
) -> None:
    assert_recovered(kind, seed)


def test_estimates_tell_the_two_worlds_apart() -> None:
    """An error so wide that anything lies within it would recover everything."""
    one = {e.name: e for e in fitted("default", 11)}
    other = {e.name: e for e in fitted("other", 12)}
    for name in ("coins.BTC.vol_annual", "regimes.correlation_calm", "basis.deviation"):
        apart = abs(one[name].value - other[name].value)
        assert apart > 3.0 * np.hypot(one[name].error, other[name].error), name


def test_file_of_estimates_is_read_back_and_names_what_it_leaves(tmp_path: Path) -> None:
    """What is determined is taken to the last bit, all else is the default, and is listed."""
    estimates = (*fitted("other", 12), Estimate("premium.lean_8h", 1e-4, 9e-5))
    path = tmp_path / "p.toml"
    path.write_text(parameter_text(estimates, "a test"))
    loaded = load_parameters(path)
    for one in estimates:
        value = true_value(loaded, one.name)
        default = true_value(WorldParameters(), one.name)
        assert value == (one.value if one.determined else default)
    text = path.read_text()
    assert "# Not determined: premium.lean_8h, 0.0001 +- 9e-05" in text
    assert "# jumps: common_per_day" in text
    assert "# crises.crash: move" in text
    assert "stress is not told from the wobble of volatility" in text
    make_world(loaded, 1, 1, "calm", 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = [", "expected a TOML file"),
        ("[nothing]\na = 1", "nothing: expected a part of the world's parameters"),
        ("start_ms = 1", "start_ms: expected a part"),
        ("[coins.PEPE]\nvol_annual = 1", "coins.PEPE: expected one of"),
        ("[basis]\nwidth = 1", "basis.width: expected a number of the world's parameters"),
        ("[basis]\ndeviation = 'x'", "basis.deviation: expected a number"),
        ("[basis]\ndeviation = -1", "deviation: expected a number finite and not negative"),
        ("[coins.BTC]\nname = 1", "coins.BTC.name: expected a number"),
    ],
)
def test_file_of_parameters_that_is_wrong_is_refused_with_its_place(
    text: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        load_parameters(path)


def jumpy(days: int = 300) -> tuple[np.ndarray, list[int]]:
    """Returns of three coins with five times the jumps of the world, and where the market's are."""
    rng, quarters = np.random.default_rng(5), days * 96
    common, own = rng.standard_normal((2, 3, quarters))
    moves = 2e-3 * np.array([[1.0], [1.3], [1.6]]) * (0.8 * common[:1] + 0.6 * own)
    at = rng.random(quarters) < 0.5 / 96
    falls = rng.random(quarters) < 0.7
    size = np.where(falls, -0.020, 0.015) * rng.exponential(size=quarters)
    moves += at * size * np.array([[1.0], [1.5], [2.0]])
    alone = rng.random(moves.shape) < 0.3 / 96
    moves += alone * rng.laplace(scale=0.018, size=moves.shape)
    return moves, np.flatnonzero(at).tolist()


def test_jumps_of_a_market_of_known_ones_are_found_with_their_sizes_and_betas() -> None:
    """Plain jump diffusion, not the world's own code: rates, sizes and betas come back."""
    moves, at = jumpy()
    found = jump_point(("BTC", "ETH", "SOL"), moves)
    assert found["jumps.common_per_day"] == pytest.approx(len(at) / 300, rel=0.25)
    assert found["jumps.down_share"] == pytest.approx(0.7, abs=0.1)
    assert found["jumps.common_down"] == pytest.approx(0.020, rel=0.25)
    assert found["jumps.common_up"] == pytest.approx(0.015, rel=0.3)
    assert found["jumps.coin_per_day"] == pytest.approx(0.3, rel=0.3)
    assert found["jumps.coin_size"] == pytest.approx(0.018, rel=0.3)
    assert found["coins.ETH.jump_beta"] == pytest.approx(1.5, rel=0.06)
    assert found["coins.SOL.jump_beta"] == pytest.approx(2.0, rel=0.06)


def jumpy_sample(days: int) -> Sample:
    closes = 100.0 * np.exp(np.cumsum(jumpy(days)[0], axis=1))
    rates = 1e-4 * np.random.default_rng(8).standard_normal((3, days * 24))
    return Sample(("BTC", "ETH", "SOL"), closes, closes[:, 3::4] * 1.0001, rates)


def test_jumps_are_taken_as_a_whole_law_or_not_at_all() -> None:
    """Real months showed sizes without a rate: small jumps at the rate of large ones would make a
    market calmer than the one that was fitted."""
    long = {one.name: one for one in fit_world(jumpy_sample(300))}
    short = {one.name: one for one in fit_world(jumpy_sample(60))}
    for law in LAWS:
        names = [f"jumps.{name}" for name in law]
        assert all(long[name].determined for name in names)
        assert not any(short[name].determined for name in names if name in short)
    sizes = [one for one in short.values() if one.name.startswith("jumps.") and not one.joined]
    assert any(one.error < one.value / 2 for one in sizes)


def test_market_without_jumps_shows_none_and_one_coin_alone_tells_nothing_of_them() -> None:
    quiet = 1e-3 * np.random.default_rng(6).standard_normal((2, 96 * 300))
    found = jump_point(("BTC", "ETH"), quiet)
    assert len(found) == 7
    assert np.isnan(list(found.values())).all()
    assert jump_point(("BTC",), quiet[:1]) == {}
    assert not Estimate("jumps.coin_size", 0.01, float("nan")).determined


def test_local_deviation_does_not_see_the_jump_itself_nor_one_elsewhere() -> None:
    moves = 1e-3 * np.random.default_rng(7).standard_normal((1, 96 * 4))
    calm = local_deviation(moves)
    assert np.median(calm) == pytest.approx(1e-3, rel=0.1)
    struck = moves.copy()
    struck[0, 200] = 0.05
    assert local_deviation(struck)[0, 200] == calm[0, 200]
    assert local_deviation(struck)[0, 100] == pytest.approx(calm[0, 100], rel=1e-6)


@pytest.mark.parametrize("seed", [20, 23])
def test_betas_in_a_crash_come_back_where_there_was_one_and_are_not_named_elsewhere(
    seed: int,
) -> None:
    p = parameters("default")
    coins = tuple(coin.name for coin in p.coins)
    world = make_world(p, seed, 30, "crash", 20)
    quarters = 900_000 // p.step_ms
    closes = [world.close[f"binance:{coin}"][quarters - 1 :: quarters] for coin in coins]
    moves = np.diff(np.log(np.array(closes)), axis=1)
    found = crash_betas(coins, moves)
    assert set(found) == {"coins.ETH.crisis_beta", "coins.SOL.crisis_beta"}
    for name, (value, error) in found.items():
        assert abs(value - true_value(p, name)) < ERRORS * error
        assert error < value / 4
    assert crash_betas(coins, moves[:, : 96 * 15]) == {}
    # Seen from the second coin, whose own beta the world has, the third is where it was.
    other = crash_betas(coins[1:], moves[1:])["coins.SOL.crisis_beta"]
    assert other[0] == pytest.approx(found["coins.SOL.crisis_beta"][0], abs=3 * other[1])


def test_coin_that_the_world_has_not_is_refused_before_anything_is_fitted() -> None:
    strange = Sample(("PEPE",), np.ones((1, 96)), np.ones((1, 24)), np.ones((1, 24)))
    with pytest.raises(InputError, match="--coins: PEPE: expected one of BTC, ETH"):
        fit_world(strange)


def test_history_that_is_too_short_or_has_no_price_is_refused() -> None:
    short = Sample(("BTC",), np.ones((1, 96 * 59)), np.ones((1, 24 * 59)), np.ones((1, 24 * 59)))
    with pytest.raises(InputError, match="history: expected 60 whole days, got 59"):
        fit_world(short)
    flat = Sample(("BTC",), np.zeros((1, 96 * 60)), np.ones((1, 24 * 60)), np.ones((1, 24 * 60)))
    with pytest.raises(InputError, match="prices: expected them finite and above zero"):
        fit_world(flat)


def test_command_fits_real_history_to_a_file_that_makes_a_world(
    data_root: Path, tmp_path: Path
) -> None:
    """Seven months of three coins; a file that is there is never written over."""
    out = tmp_path / "p.toml"
    words = ["world", "fit", str(data_root), "--from", "2024-09-05", "--to", "2025-03-31"]
    result = CliRunner().invoke(app, [*words, "--out", str(out)])
    assert result.exit_code == 0, result.exception
    loaded = load_parameters(out)
    assert 0.3 < loaded.coins[0].vol_annual < 0.55
    assert loaded.coins[0].vol_annual < loaded.coins[1].vol_annual < loaded.coins[2].vol_annual
    again = CliRunner().invoke(app, [*words, "--out", str(out)])
    assert "expected a file that does not exist yet" in str(again.exception)
    with pytest.raises(InputError, match="expected whole days"):
        read_sample(data_root, ("BTC",), "2024-09-05T01:00Z", "2025-03-31")
