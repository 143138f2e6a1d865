# SPDX-License-Identifier: Apache-2.0
"""The study of options on a small market of known surfaces: what it trades at, judges, and says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.option_study.written_market import FORWARDS, WHOLE, write_market, written_market
from tidegate.backtest.option_study import joint, terms
from tidegate.backtest.option_study.__main__ import main
from tidegate.backtest.option_study.books import Held, Look, Perp, equity_usd, start
from tidegate.backtest.option_study.candidates import strangle, worth_selling
from tidegate.backtest.option_study.edges import Variance, weighted
from tidegate.backtest.option_study.joint import Switches
from tidegate.backtest.option_study.market import Contract, Market, between
from tidegate.backtest.option_study.study import Study, prepare
from tidegate.backtest.option_study.world import (
    accounts,
    delta_coins,
    hedge,
    pass_time,
    send,
    trade_option,
    trade_perp,
)
from tidegate.engine.plan.moves import moved, moves_of
from tidegate.model.times import HOUR_MS


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("calm")
    return prepare(root, written_market(root))


def _sold(look: Look, coin: str, size: float, put: bool = True) -> Held:
    """A hedged strangle, or its put alone."""
    held = start()
    for each in strangle(look, coin)[: 1 if put else 2]:
        held = trade_option(held, look, each, -size)
    return hedge(held, look, 0.0)


def test_strangle_is_of_a_month_and_near_its_deltas(study: Study) -> None:
    look = study.look(0)
    found = strangle(look, "BTC")
    assert [each.is_call for each in found] == [False, True, False, True]
    deltas = [abs(look.quoted(each).delta) for each in found]
    assert deltas == pytest.approx([0.25, 0.25, 0.07, 0.07], abs=0.06)


def test_premium_of_a_calm_market_is_worth_selling(study: Study) -> None:
    """Bars move 30 % a year and options imply 55 %."""
    look = study.look(0)
    assert look.variance["BTC"].mean_annual ** 0.5 == pytest.approx(0.3, rel=0.1)
    assert worth_selling(look, "BTC")
    assert worth_selling(look, "ETH")


def test_smile_is_no_edge_by_itself() -> None:
    known = Variance(0.25, 0.05)
    carry, error = known.premium(1.0, (0.9, 0.5))
    assert carry == 0.0
    assert error == pytest.approx(0.5 * (0.9 / 0.5) ** 2 * 0.05)
    carry, _ = known.premium(1.0, (0.6, 0.6))
    assert carry == pytest.approx(0.5 * (0.25 - 0.36))
    assert known.premium(1.0, (0.4, 0.4))[0] == 0.0


def test_forecast_of_unchanging_days_is_sure_of_them() -> None:
    found = weighted(np.full(40, 0.001))
    assert found.mean_annual == pytest.approx(0.365)
    assert found.error_annual == pytest.approx(0.0, abs=1e-12)


sizes = st.floats(-5.0, 5.0).map(lambda x: round(x, 3))


@given(st.lists(st.tuples(sizes, st.floats(50.0, 200.0)), max_size=8))
def test_perpetual_loses_no_profit_by_how_it_is_counted(trades: list[tuple[float, float]]) -> None:
    """Realised and unrealised profit are what cash flows at the prices come to."""
    perp, realised, flows = Perp(), 0.0, 0.0
    for size, at in trades:
        perp, profit = perp.traded(size, at)
        realised += profit
        flows -= size * at
    total = sum(size for size, _ in trades)
    now = 123.0
    counted = realised + perp.size * (now - perp.entry)
    assert counted == pytest.approx(flows + total * now, abs=1e-6)


def test_trading_costs_money_and_nothing_else(study: Study) -> None:
    look = study.look(0)
    each = strangle(look, "BTC")[0]
    bought = trade_option(start(), look, each, 3.0)
    spent = terms.CAPITAL_USD - equity_usd(bought, look)
    seen = look.quoted(each)
    least = 3.0 * seen.index * (seen.half_spread + min(3e-4, 0.125 * seen.mark))
    assert least < spent < 4.0 * least
    perp = trade_perp(start(), look, "ETH", 10.0)
    assert terms.CAPITAL_USD - equity_usd(perp, look) == pytest.approx(30_000 * 0.00055, rel=0.5)


def test_money_on_its_way_is_owned_and_is_margin_nowhere(study: Study) -> None:
    look = study.look(0)
    held = send(start(), look, "binance", "deribit-btc", 10_000.0)
    assert equity_usd(held, look) == pytest.approx(terms.CAPITAL_USD - 2.0 - 0.9998, abs=1e-3)
    assert equity_usd(held, look, "deribit-btc") == 300_000.0
    after, _ = pass_time(held, look)
    assert after.cash["deribit-btc"] == pytest.approx(309_997.0002, abs=1e-3)
    assert not after.transit


def test_market_between_snapshots_ends_at_the_next(study: Study) -> None:
    seen = between(study.market, 0)
    each = strangle(study.look(0), "BTC")[0]
    later = study.market.chains[1]["BTC"]
    assert seen.share[-1] == 1.0
    assert seen.forward("BTC", each.expiry_ms)[-1] == pytest.approx(
        later.forwards[each.expiry_ms], rel=1e-12
    )
    money = np.log(each.strike_usd / later.forwards[each.expiry_ms])
    assert seen.vol(each)[-1] == pytest.approx(float(later.vol(each.expiry_ms, money)))


def test_account_dies_at_the_low_of_the_bar_that_kills_it(tmp_path: Path) -> None:
    """Puts sold far beyond what the account stands: a fall of 30 % inside one bar ends it there,
    and the same book lives where no bar falls."""
    for fall, died in ((0.0, False), (0.3, True)):
        root = tmp_path / str(died)
        market = written_market(root, {"BTC": fall})
        look = prepare(root, market).look(0)
        after, deaths = pass_time(_sold(look, "BTC", 18.0), look)
        assert [each.venue for each in deaths] == (["deribit-btc"] if died else [])
        if died:
            assert deaths[0].ts_ms == market.ts_ms[0] + HOUR_MS + HOUR_MS // 4
            assert not after.options
            assert after.cash["deribit-btc"] < 300_000.0


def test_hedge_leaves_no_delta_and_stops_at_initial_margin(study: Study) -> None:
    look = study.look(0)
    held = _sold(look, "BTC", 5.0)
    assert abs(delta_coins(held, look, "BTC")) < 0.001
    poor = replace(start(), cash={**start().cash, "binance": 100.0})
    for each in strangle(look, "BTC")[:1]:
        poor = trade_option(poor, look, each, -50.0)
    poor = hedge(poor, look, 0.0)
    used = abs(poor.perps["BTC"].size) * look.price("BTC") / terms.LEVERAGE
    assert 0.0 < used <= 101.0


# Doing nothing breaks no limit of this question, and HiGHS calls its planes infeasible.
def test_joint_plan_sells_and_every_account_stands_its_moves(study: Study) -> None:
    look = study.look(0)
    step = joint.act(start(), look, None, Switches())
    assert step.refused == ""
    assert any(size < 0.0 for size in step.held.options.values())
    said = joint.mandate(Switches())
    for account in accounts(step.held, look).accounts.values():
        for move in moves_of(account, {"BTC": 0.149, "ETH": 0.199}):
            market = moved(account, move, said.vol)
            there = replace(account, book=replace(account.book, market=market))
            assert there.statement().health >= -1.0, (account.venue, move.name)
    for coin in FORWARDS:
        assert abs(delta_coins(step.held, look, coin)) * look.price(coin) <= 25_001.0


def test_expired_option_is_paid_out_at_the_index(study: Study) -> None:
    market = study.market
    soon = Contract("BTC", market.ts_ms[1], 70_000.0, True)
    held = replace(start(), options={soon: 2.0})
    look = study.look(0)
    look.seen[soon] = look.quoted(strangle(look, "BTC")[1])
    after, _ = pass_time(held, _with_expiry(look, market, soon))
    assert after.cash["deribit-btc"] == pytest.approx(300_000.0 + 2.0 * 10_000.0, rel=1e-3)
    assert not after.options


def _with_expiry(look: Look, market: Market, each: Contract) -> Look:
    """The look, in a market that lists an expiry with a smile of its own."""
    chain = market.chains[0][each.coin]
    for table in (chain.forwards, chain.smiles):
        first = next(iter(table))
        dict.__setitem__(table, each.expiry_ms, table[first])  # type: ignore[index]
    return look


def test_command_prints_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_market(tmp_path)
    words = ["--data", str(tmp_path), "--from", "2026-01-05", "--to", "2026-01-07", "--json"]
    assert main([*words, "--only", "cash", "--only", "fixed 80%"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "tidegate-option-study-1"
    assert found["policies"]["cash"]["liquidations"] == []
    assert found["policies"]["fixed 80%"]["collateral_used"] > 0.0


def test_command_names_a_folder_without_chains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "deribit_BTC_chain" in said
    assert WHOLE.start_ms > 0


@pytest.mark.parametrize(
    "switches",
    [
        pytest.param(Switches(bands=False), id="no bands"),
        pytest.param(Switches(certificate=False), id="no certificate"),
        pytest.param(Switches(venue_margin=False), id="flat margin"),
    ],
)
def test_plan_with_a_part_taken_away_still_sells_and_hedges(
    switches: Switches, study: Study
) -> None:
    look = study.look(0)
    step = joint.act(start(), look, None, switches)
    assert step.refused == ""
    assert any(size < 0.0 for size in step.held.options.values())
    assert abs(delta_coins(step.held, look, "BTC")) * look.price("BTC") <= 25_001.0
