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
    assert "# jumps: common_per_day, coin_per_day, down_share" in text
    assert load_parameters(path).jumps == WorldParameters().jumps
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
