# SPDX-License-Identifier: Apache-2.0
"""A leverage is chosen by market: the position's own counts, else the account's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.margin_books import (
    EXAMPLES,
    Raw,
    Run,
    account_of,
    changed,
    raw_book,
    runner,
    write,
)
from tidegate.engine.margin_book.reading import read_account

# Initial margin by hand with BTC at 5 and ETH at 10, from sizes and marks of each example; the
# order of the first reserves one bitcoin more.
BY_POSITION = {
    "hyperliquid_cross": 360_000 / 5 + 150_000 / 10,
    "binance_usdm": 480_000 / 5 + 150_000 / 10,
    "binance_multi_assets": (480_000 / 5 + 150_000 / 10) * 0.9995,
    "dydx_cross": 300_000 / 5 + 100_000 / 10,
}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(capsys, monkeypatch)


def by_position(name: str, leverages: tuple[object, object]) -> Raw:
    raw = raw_book(name)
    for held, leverage in zip(raw["positions"], leverages, strict=True):
        held["leverage"] = leverage
    return raw


@pytest.mark.parametrize("name", BY_POSITION)
@pytest.mark.parametrize("of_account", [..., 3, 20])
def test_leverage_of_a_position_counts_whatever_the_account_says(
    name: str, of_account: object, tmp_path: Path
) -> None:
    raw = by_position(name, (5, 10))
    del raw["leverage"]
    if of_account is not ...:
        raw["leverage"] = of_account
    stated = account_of(raw, tmp_path).statement()
    assert stated.initial == pytest.approx(BY_POSITION[name])
    assert stated.maintenance == read_account(EXAMPLES[name]).statement().maintenance


@pytest.mark.parametrize("name", BY_POSITION)
def test_position_without_a_leverage_has_the_accounts(name: str, tmp_path: Path) -> None:
    raw = by_position(name, (5, 10)) | {"leverage": 10}
    del raw["positions"][1]["leverage"]
    assert account_of(raw, tmp_path).statement().initial == pytest.approx(BY_POSITION[name])


@pytest.mark.parametrize("name", BY_POSITION)
def test_position_without_any_leverage_is_refused(name: str, tmp_path: Path, run: Run) -> None:
    raw = by_position(name, (5, 10))
    del raw["positions"][1]["leverage"], raw["leverage"]
    ended = run(write(raw, tmp_path))
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "leverage: expected the leverage chosen at the venue" in ended.err


@pytest.mark.parametrize("name", ["hyperliquid_cross", "binance_usdm", "dydx_cross"])
@pytest.mark.parametrize("wrong", ["2.5", 0, -3])
def test_leverage_of_a_position_that_is_no_whole_number_is_refused(
    name: str, wrong: object, tmp_path: Path, run: Run
) -> None:
    ended = run(write(by_position(name, (5, wrong)), tmp_path))
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "positions[1].leverage: expected a whole number of at least 1" in ended.err


def test_initial_fraction_chosen_at_dydx_can_only_raise_that_of_the_leverage(
    tmp_path: Path,
) -> None:
    raw = by_position("dydx_cross", (5, 10))
    raw["positions"][0]["chosen_initial"] = "0.5"
    raw["positions"][1]["chosen_initial"] = "0.01"
    assert account_of(raw, tmp_path).statement().initial == pytest.approx(150_000 + 10_000)


def test_leverage_above_the_tiers_most_is_the_tiers(tmp_path: Path) -> None:
    raw = changed("hyperliquid_cross", "positions.1.leverage", 50)
    stated = account_of(raw, tmp_path).statement()
    assert stated.initial == pytest.approx(360_000 / 10 + 150_000 / 25)
