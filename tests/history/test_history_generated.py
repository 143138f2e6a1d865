# SPDX-License-Identifier: Apache-2.0
"""The generated folder reads like a real one and has the features it promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tidegate.history.bars import Bars, read_bars
from tidegate.history.digest import digest_files
from tidegate.history.funding import read_funding
from tidegate.history.generated import START_MS, write_generated
from tidegate.history.generated_paths import LEAD_HOURS, funding_rate, generate_paths, hours_of
from tidegate.history.parquet import FloatArray
from tidegate.history.tables import VenueTables
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, format_date

DAYS = 40
COINS = ("BTC", "ETH", "SOL")
WINDOW = Window(START_MS, START_MS + DAYS * DAY_MS)
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module", params=SEEDS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    write_generated(root, request.param, DAYS)
    return root


def last(world: Path, coin: str) -> Bars:
    return read_bars(world, "binance", f"{coin}USDT", "last", WINDOW)


def hourly_returns(bars: Bars) -> FloatArray:
    return np.asarray(bars.close[3::4] / bars.open[::4] - 1.0)


def all_files(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    """A generated folder can be named by its seed and days."""
    digests = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write_generated(tmp_path / name, seed, 3)
        digests.append(digest_files(tmp_path / name, all_files(tmp_path / name)))
    assert digests[0] == digests[1] != digests[2]


def test_a_generated_folder_passes_every_check_of_the_readers(world: Path) -> None:
    """No hole in bars, marks or funding at either venue, and tables dated from the start."""
    tables = VenueTables(world)
    for coin in COINS:
        symbol = f"{coin}USDT"
        assert len(last(world, coin)) == DAYS * 96
        assert len(read_bars(world, "binance", symbol, "mark", WINDOW)) == DAYS * 24
        assert len(read_bars(world, "hyperliquid", coin, "last", WINDOW)) == DAYS * 24
        assert len(read_funding(world, "binance", symbol, WINDOW)) == DAYS * 3
        assert len(read_funding(world, "hyperliquid", coin, WINDOW)) == DAYS * 24
        for venue, name in (("binance", symbol), ("hyperliquid", coin)):
            contract = tables.contract(venue, name, START_MS)
            assert contract is not None
            assert contract.tick is not None
            assert contract.lot is not None
            assert tables.maintenance_tiers(venue, name, START_MS) is not None
            assert tables.taker_fee(venue, "perpetual", START_MS) is not None
            assert tables.taker_fee(venue, "perpetual", START_MS - 1) is None


def test_a_generated_folder_has_one_change_of_tiers_inside_it(world: Path) -> None:
    """Halfway, so that a run meets a dated rule that changes under it."""
    changes = VenueTables(world).tier_changes("binance", "BTCUSDT", WINDOW)
    days = [format_date(START_MS), format_date(START_MS + DAYS // 2 * DAY_MS)]
    assert [format_date(when) for when, _ in changes] == days


def test_a_generated_world_has_a_crash_hour_and_a_rally_hour(world: Path) -> None:
    """About -12 % in BTC and -20 % in ETH within one hour, and +7 % in another."""
    btc, eth = (hourly_returns(last(world, coin)) for coin in ("BTC", "ETH"))
    assert -0.14 < btc.min() < -0.10
    assert -0.23 < eth.min() < -0.17
    assert btc.argmin() == eth.argmin()
    assert btc.max() > 0.06


def test_generated_volatility_clusters_and_coins_move_together(world: Path) -> None:
    """Absolute quarter returns are autocorrelated over hours; plain ones hardly are."""
    returns = [np.diff(np.log(last(world, coin).close)) for coin in COINS]
    calm = np.clip(returns[0], *np.quantile(returns[0], [0.005, 0.995]))
    size = np.abs(calm)
    assert np.corrcoef(size[8:], size[:-8])[0, 1] > 0.1
    assert abs(np.corrcoef(calm[1:], calm[:-1])[0, 1]) < 0.06
    assert np.corrcoef(returns)[np.triu_indices(3, 1)].min() > 0.5


def test_generated_venues_stay_a_few_basis_points_apart(world: Path) -> None:
    """The basis is noise: never zero throughout, never a second market."""
    for coin in COINS:
        other = read_bars(world, "hyperliquid", coin, "last", WINDOW)
        apart = np.log(other.close / last(world, coin).close[3::4])
        assert 1e-4 < apart.std() < 1e-3
        assert np.abs(apart).max() < 3e-3


def test_generated_funding_is_dearer_on_the_second_venue(world: Path) -> None:
    """Hyperliquid's longs pay about twelve percent a year more than Binance's."""
    extra = []
    for coin in COINS:
        first = read_funding(world, "binance", f"{coin}USDT", WINDOW)
        second = read_funding(world, "hyperliquid", coin, WINDOW)
        annual = (first.rate_e12.mean() * 3 * 365, second.rate_e12.mean() * 24 * 365)
        extra.append((annual[1] - annual[0]) / 1e12)
        assert first.rate_e12.std() > 0
    assert 0.09 < np.mean(extra) < 0.15


def test_an_hour_of_the_second_venue_contains_its_quarters() -> None:
    """The extremes inside an hour bar are those of the four quarters it joins."""
    paths = generate_paths(np.random.default_rng(4), 3)
    hours, quarters = hours_of(paths.second), paths.second
    high = quarters.high.reshape(-1, 4, 3)
    low = quarters.low.reshape(-1, 4, 3)
    assert (hours.high[:, None] >= high).all()
    assert (hours.high[:, None] == high).any(axis=1).all()
    assert (hours.low[:, None] <= low).all()
    assert (hours.low[:, None] == low).any(axis=1).all()
    assert (hours.open == quarters.open[::4]).all()
    assert (hours.close == quarters.close[3::4]).all()


@pytest.mark.parametrize("interval_h", [1, 8])
def test_a_generated_funding_rate_depends_on_no_hour_after_its_stamp(interval_h: int) -> None:
    """Premiums from a stamp on are replaced: its rate and those before stay, later ones move."""
    premium = generate_paths(np.random.default_rng(4), 3).premium_annual
    rates = funding_rate(premium, interval_h)
    assert len(rates) == 72 // interval_h
    for stamp in (0, 3):
        changed = premium.copy()
        changed[LEAD_HOURS + stamp * interval_h :] += 1.0
        moved = (funding_rate(changed, interval_h) != rates).all(axis=1)
        assert moved.tolist() == [False] * (stamp + 1) + [True] * (len(rates) - stamp - 1)


@pytest.mark.parametrize(("seed", "days"), [(1, 0), (1, -1), (-1, 5), (1, 10_000)])
def test_generated_worlds_of_no_days_or_too_many_are_refused(
    tmp_path: Path, seed: int, days: int
) -> None:
    """Nothing is left behind."""
    with pytest.raises(InputError, match=r"generated: (days|seed)"):
        write_generated(tmp_path / "world", seed, days)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_never_written_into(tmp_path: Path) -> None:
    """Real data next to generated data would be read as one market."""
    (tmp_path / "mine.txt").write_text("kept", encoding="utf-8")
    with pytest.raises(InputError, match="expected an absent or empty one"):
        write_generated(tmp_path, 1, 2)
    assert all_files(tmp_path) == ["mine.txt"]


def test_an_interrupted_write_leaves_no_folder(tmp_path: Path) -> None:
    """A process that may write only small files is refused midway; nothing half exists."""
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from tidegate.history.generated import write_generated\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "write_generated(Path(sys.argv[1]), 1, 10)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "world")]
    search = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, env=search, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "expected a folder that can be written" in ended.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
