# SPDX-License-Identifier: Apache-2.0
"""The listing follows the calendar, the file of chains its layout, and a digest every number."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.world.option_worlds import OPTIONS, begin, market
from tests.simulation.world.test_world_parameters import changed
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, parse_time_ms
from tidegate.pricing import black76
from tidegate.simulation.world import WorldParameters
from tidegate.simulation.world.option_chain import Chain, chain, write_chains
from tidegate.simulation.world.option_listing import (
    expiries,
    expiry_name,
    is_daily,
    nice_step,
    option,
    strikes,
)

TIMES = st.integers(1_700_000_000_000, 1_900_000_000_000)
COLUMNS = {
    "ts": "TIMESTAMP WITH TIME ZONE",
    "currency": "VARCHAR",
    "instrument": "VARCHAR",
    "expiry": "TIMESTAMP WITH TIME ZONE",
    "strike": "DOUBLE",
    "option_type": "VARCHAR",
    "bid": "DOUBLE",
    "ask": "DOUBLE",
    "mark": "DOUBLE",
    "mark_iv": "FLOAT",
    "delta": "FLOAT",
    "vega": "FLOAT",
    "open_interest": "DOUBLE",
    "volume_24h": "DOUBLE",
    "volume_usd_24h": "DOUBLE",
    "underlying_name": "VARCHAR",
    "underlying_price": "DOUBLE",
    "index_price": "DOUBLE",
}


def test_expiries_are_those_of_a_recorded_chain() -> None:
    # Deribit, 10 March 2026 at 04:25 UTC.
    found = expiries(OPTIONS.listing, parse_time_ms("2026-03-10T04:25Z", "", ""))
    names = "10MAR26 11MAR26 12MAR26 13MAR26 20MAR26 27MAR26 24APR26 29MAY26 26JUN26 25SEP26"
    assert [expiry_name(e) for e in found] == [*names.split(), "25DEC26"]


@given(TIMES)
def test_expiries_lie_ahead_at_eight_and_far_ones_on_fridays(ts_ms: int) -> None:
    found = expiries(OPTIONS.listing, ts_ms)
    assert list(found) == sorted(set(found))
    assert all(e > ts_ms and e % DAY_MS == 8 * HOUR_MS for e in found)
    assert found[0] - ts_ms <= DAY_MS
    assert all(not is_daily(e) for e in found if e - ts_ms > 3 * DAY_MS)


def test_expiry_that_is_due_is_listed_no_more() -> None:
    due = parse_time_ms("2026-03-13T08:00Z", "", "")
    assert due in expiries(OPTIONS.listing, due - 1)
    assert due not in expiries(OPTIONS.listing, due)


@given(st.floats(50.0, 2e5), st.integers(HOUR_MS, 350 * DAY_MS))
def test_strikes_stand_on_a_grid_on_both_sides_of_the_index(index: float, left_ms: int) -> None:
    found = strikes(OPTIONS.listing, index, left_ms)
    assert list(found) == sorted(set(found))
    assert found[0] > 0
    steps = np.diff([float(k) for k in found])
    finest = steps.min()
    lines = np.array([float(k) for k in found]) / finest
    assert lines == pytest.approx(np.rint(lines), abs=1e-6)
    assert found[0] < index < found[-1]
    near = [float(k) for k in found if abs(float(k) / index - 1.0) < 2 * finest / index]
    assert len(near) >= 3
    assert 8 <= len(found) <= 90


def test_strikes_of_two_days_are_those_of_a_recorded_chain() -> None:
    # BTC at 69,750 on 10 March 2026: steps of 500 near the index, of 1,000 farther out.
    found = [float(k) for k in strikes(OPTIONS.listing, 69_750.0, 2 * DAY_MS)]
    assert {68_500.0, 69_000.0, 69_500.0, 70_000.0, 70_500.0} <= set(found)
    assert 74_000.0 in found
    assert 73_500.0 not in found


@pytest.mark.parametrize(
    ("about", "step"),
    [(343.0, "5E+2"), (816.0, "1E+3"), (0.7, "0.5"), (0.16, "0.2"), (90.0, "100")],
)
def test_step_is_the_nearest_of_one_two_and_five(about: float, step: str) -> None:
    assert nice_step(about) == Decimal(step)


def test_contract_is_named_settled_and_ticked_as_the_venues() -> None:
    expiry_ms = parse_time_ms("2026-03-06T08:00Z", "", "")
    btc, sol = OPTIONS.coin("BTC"), OPTIONS.coin("SOL")
    coin = option("deribit", btc, expiry_ms, Decimal(70_000), False, True)
    assert (coin.id, coin.settle) == ("deribit:BTC-6MAR26-70000-P", "BTC")
    assert (coin.coin_settled, coin.index.id) == (True, "deribit:btc_usd")
    linear = option("deribit", sol, expiry_ms, Decimal("87.50"), True, False)
    assert (linear.id, linear.settle) == ("deribit:SOL_USDC-6MAR26-87d5-C", "USDC")
    assert (linear.lot, linear.index.id) == (Decimal(10), "deribit:sol_usdc")
    round_one = option("deribit", sol, expiry_ms, Decimal("1E+2"), True, False)
    assert round_one.symbol == "SOL_USDC-6MAR26-100-C"


def test_digest_of_options_changes_with_every_single_number() -> None:
    world = WorldParameters().digest()
    parameters = dict(changed(OPTIONS))
    digests = {name: other.digest() for name, other in parameters.items()}
    assert len(digests) > 60
    assert len({OPTIONS.digest(), *digests.values()}) == len(digests) + 1
    assert OPTIONS.with_world(world) not in (world, OPTIONS.digest())
    assert OPTIONS.with_world(world) != OPTIONS.with_world("0" * 64)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"coins": ()}, "coins: expected at least one"),
        ({"coins": OPTIONS.coins * 2}, "coins: expected at least one, each name once"),
        ({"term": replace(OPTIONS.term, fast_down=0.8)}, "term: expected forward variance above"),
        ({"term": replace(OPTIONS.term, slow_days=0.0)}, "slow_days: expected a number above"),
        ({"term": replace(OPTIONS.term, asymmetry=1.0)}, "asymmetry: expected less than 1"),
        ({"noise": replace(OPTIONS.noise, fast=float("nan"))}, "fast: expected a number above"),
        ({"quoting": replace(OPTIONS.quoting, wing=-1.0)}, "wing: expected a number above"),
    ],
)
def test_unusable_option_parameter_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=f"options: {complaint}"):
        replace(OPTIONS, **change)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def chains() -> tuple[Chain, Chain]:
    made, first = market("crash", 1), begin("crash", 1)
    times = (made.start_ms + (first + k) * made.step_ms for k in (-24, 13))
    calm, stressed = (chain(made, "BTC", ts_ms) for ts_ms in times)
    return calm, stressed


def test_marks_of_a_chain_are_black_at_their_mark_volatility(chains: tuple[Chain, Chain]) -> None:
    for one in chains:
        c = {name: np.array(column) for name, column in one.columns.items()}
        forward = c["underlying_price"].astype(float)
        years = (c["expiry"] - one.ts_ms) / (365.0 * DAY_MS)
        call = c["option_type"] == "call"
        priced = black76.price(forward, c["strike"], years, c["mark_iv"], call) / forward
        assert priced == pytest.approx(c["mark"], abs=6e-9)
        vega = black76.greeks(forward, c["strike"], years, c["mark_iv"], call).vega / 100.0
        assert vega == pytest.approx(c["vega"], rel=1e-6, abs=1e-9)


def test_quotes_of_a_chain_stand_around_the_mark_on_the_tick(chains: tuple[Chain, Chain]) -> None:
    for one in chains:
        bid = np.array([np.nan if b is None else b for b in one.columns["bid"]], dtype=float)
        ask, mark = (np.array(one.columns[name], dtype=float) for name in ("ask", "mark"))
        assert (ask >= 1e-4).all()
        seen = ~np.isnan(bid)
        assert 0.5 < seen.mean() <= 1.0
        assert (bid[seen] >= 1e-4).all()
        assert (bid[seen] < ask[seen]).all()
        outside = (bid[seen] > mark[seen]) | (mark[seen] > ask[seen])
        assert outside.mean() < 0.02
        for side in (bid[seen], ask):
            assert side * 1e4 == pytest.approx(np.rint(side * 1e4), abs=1e-6)
        assert 500 < one.rows < 1_300


def test_file_of_chains_has_the_layout_of_recorded_ones(
    chains: tuple[Chain, Chain], tmp_path: Path
) -> None:
    path = tmp_path / "it's chains.parquet"
    write_chains(path, chains)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        scan = "FROM read_parquet(?)"
        described = database.execute(f"DESCRIBE SELECT * {scan}", [str(path)]).fetchall()
        assert {row[0]: row[1] for row in described} == COLUMNS
        query = f"SELECT epoch_ms(ts), count(*), count(bid) {scan} GROUP BY ts ORDER BY ts"
        counted = database.execute(query, [str(path)]).fetchall()
    assert counted == [
        (one.ts_ms, one.rows, sum(b is not None for b in one.columns["bid"])) for one in chains
    ]
    again = tmp_path / "again.parquet"
    write_chains(again, chains)
    assert again.read_bytes() == path.read_bytes()


def test_chain_in_a_crisis_is_dearer_and_wider(chains: tuple[Chain, Chain]) -> None:
    def month(one: Chain) -> tuple[float, float]:
        rows = zip(
            *(one.columns[n] for n in ("delta", "expiry", "mark_iv", "bid", "ask")), strict=True
        )
        near = [
            (iv, ask - bid)
            for delta, expiry, iv, bid, ask in rows
            if abs(abs(delta) - 0.5) < 0.1 and 20 < (expiry - one.ts_ms) / DAY_MS < 40 and bid
        ]
        return tuple(np.mean(near, axis=0))  # type: ignore[return-value]

    calm, stressed = (month(one) for one in chains)
    assert stressed[0] > 1.2 * calm[0]
    assert stressed[1] > 1.8 * calm[1]


def test_what_cannot_be_written_or_quoted_is_one_line(
    chains: tuple[Chain, Chain], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"--out: .*expected a file that can be written"):
        write_chains(tmp_path / "absent" / "x.parquet", chains)
    with pytest.raises(InputError, match="expected at least one option"):
        write_chains(tmp_path / "x.parquet", [])
    with pytest.raises(InputError, match=r"SOL: expected a coin whose options settle in it"):
        chain(market("calm", 1), "SOL", market("calm", 1).start_ms + DAY_MS)
    assert list(tmp_path.iterdir()) == []
