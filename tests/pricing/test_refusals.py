# SPDX-License-Identifier: Apache-2.0
"""What is no input of a function is refused with one line that names it, or has no answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.pricing.public import examples
from tidegate.model.errors import InputError
from tidegate.pricing.black76 import GreeksBuffer, greeks
from tidegate.pricing.calibration import Settings, calibrate, fit_of
from tidegate.pricing.implied_vol import refusal_reason
from tidegate.pricing.inverse import delivery_inputs, net_transaction_delta
from tidegate.pricing.jump_diffusion import Kou, Merton
from tidegate.pricing.option_chain import OptionChain, count_exclusions, exclusion_reason, quotes
from tidegate.pricing.parity import forwards, parity, with_forwards
from tidegate.pricing.raw_svi import JumpWings, RawSvi, diagnose, fit_raw_svi
from tidegate.pricing.scenarios import revalue_grid, revalue_paths
from tidegate.pricing.static_arbitrage import check, expiries_between, log_strikes
from tidegate.pricing.surface import Dynamics, Shock, Surface, VenueMarks

DELTA = Dynamics.STICKY_DELTA


def chain(**changes: Any) -> OptionChain:
    return replace(examples()["OptionChain"], **changes)


def surface(**changes: Any) -> Surface:
    return replace(examples()["Surface"], **changes)


def marks(**changes: Any) -> VenueMarks:
    return replace(examples()["VenueMarks"], **changes)


def rows(change: Callable[[np.ndarray], Any], name: str) -> Any:
    return chain(**{name: change(getattr(examples()["OptionChain"], name))})


def svi(**changes: Any) -> RawSvi:
    return replace(examples()["RawSvi"], **changes)


def wings(**changes: Any) -> JumpWings:
    return replace(examples()["JumpWings"], **changes)


def masked(values: np.ndarray) -> Any:
    return np.ma.masked_array(values, mask=np.arange(values.size) == 1)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "setting in text": (lambda: Settings(huber="2"), "huber: expected a finite number"),
    "setting missing": (lambda: Settings(anchor=None), "anchor: expected a finite number"),
    "regimes in a list": (lambda: Settings(regimes=[2]), "regimes: expected a whole"),
    "half a quote": (lambda: Settings(quotes_least=2.5), "quotes_least: expected a whole"),
    "no settings": (lambda: calibrate(chain(), None), "settings: expected"),
    "fit of no chain": (lambda: calibrate(None), "chain: expected"),
    "held out in text": (
        lambda: calibrate(chain(), held_out=np.full(chain().bid.size, "no")),
        "held_out: expected",
    ),
    "move in text": (lambda: surface().moved("1.1", DELTA), "forward_ratio: expected"),
    "no move": (lambda: surface().moved(None, DELTA), "forward_ratio: expected"),
    "huge move": (lambda: surface().moved(1e200, DELTA), "forward_ratio: expected"),
    "dynamics of a move in text": (
        lambda: surface().moved(1.1, "sticky strike"),
        "dynamics: expected",
    ),
    "dynamics of a vol in text": (
        lambda: surface().vol_per_usd(9e4, 0.05, "sticky strike"),
        "dynamics: expected",
    ),
    "marks of unlike rows": (lambda: marks(vol_annual=[0.5]), "rows: expected columns of one"),
    "marks of two sides": (lambda: marks(is_call=marks().is_call - 1.0), "is_call: expected"),
    "marks at half a time": (lambda: marks(expiry_ms=marks().expiry_ms + 0.5), "expiry_ms"),
    "no shock": (lambda: surface().shocked(None), "shock: expected"),
    "shock in text": (lambda: surface().shocked(Shock(term="x")), "shock.term: expected"),
    "huge skew": (lambda: surface().shocked(Shock(skew=1e4)), "shock: expected"),
    "forward at text": (lambda: surface().forward_at("x"), "expiry_years: expected"),
    "surface without a regime": (lambda: surface(low=None), "low: expected"),
    "surface of unlike expiries": (
        lambda: surface(high=replace(surface().high, expiry_years=[0.1, 0.2])),
        "high: expected the expiries",
    ),
    "surface of one forward": (lambda: surface(forward_usd=[9e4]), "forward_usd: expected"),
    "surface of no discount": (lambda: surface(discount=[1.0, np.nan]), "discount: expected"),
    "rows beyond a fit": (
        lambda: fit_of(surface(), quotes(chain()), np.array([10**6])),
        "rows: expected",
    ),
    "rows from the end": (lambda: fit_of(surface(), quotes(chain()), np.array([-1])), "rows"),
    "Merton before now": (lambda: Merton(0.5, 1.0, 0.0, 0.1).at(-1.0), "expiry_years: expected"),
    "Merton at no number": (lambda: Merton(0.5, 1.0, 0.0, 0.1).at(np.nan), "expiry_years"),
    "Kou now": (lambda: Kou(0.5, 1.0, 0.5, 9.0, 9.0).at(0.0), "expiry_years: expected"),
    "Kou in text": (lambda: Kou(0.5, 1.0, 0.5, 9.0, 9.0).at("x"), "expiry_years"),
    "parity of no chain": (lambda: parity(None), "chain: expected"),
    "forwards of no chain": (lambda: forwards(None), "chain: expected"),
    "no futures": (lambda: parity(chain(), None), "futures_usd: expected"),
    "future at text": (
        lambda: parity(chain(), {"x": 1.0}),
        "futures_usd: expected",
    ),
    "future priced in text": (
        lambda: parity(chain(), {int(chain().expiry_ms[0]): "x"}),
        "price: expected a positive",
    ),
    "forwards of text": (lambda: forwards(chain(), {0: "x"}), "price: expected"),
    "curve of numbers": (lambda: with_forwards(chain(), (1.0,)), "curve: expected"),
    "no curve": (lambda: with_forwards(chain(), None), "curve: expected"),
    "SVI in text": (lambda: svi(a="x"), "a: expected a finite number"),
    "SVI that bends down": (lambda: svi(b=-0.1), "b: expected"),
    "SVI tilted too far": (lambda: svi(rho=1.01), "rho: expected"),
    "SVI with a kink": (lambda: svi(sigma=0.0), "sigma: expected"),
    "wings at no expiry": (lambda: svi().jump_wings(0.0), "expiry_years: expected a positive"),
    "wings of no variance": (lambda: svi(a=-1.0).jump_wings(1.0), "a: expected"),
    "wings in text": (lambda: wings(atm_skew="x"), "atm_skew: expected"),
    "wings without slope": (lambda: wings(put_slope=0.0).repaired(), "slopes: expected"),
    "SVI of unlike rows": (lambda: fit_raw_svi(np.ones(9), np.ones(8), np.ones(9)), "one length"),
    "diagnosis of no chain": (lambda: diagnose(None), "chain: expected"),
    "look at nothing": (lambda: check(None, np.array([0.1])), "surface: expected"),
    "look at no expiry": (lambda: check(surface(), np.array([])), "expiry_years: expected"),
    "look at an endless expiry": (lambda: check(surface(), [0.1, np.inf]), "expiry_years"),
    "look at no strike": (lambda: check(surface(), [0.1], []), "log_strike: expected"),
    "one log-strike": (lambda: log_strikes(1), "points: expected a whole number from 2"),
    "no width": (lambda: log_strikes(20, 0.0), "farthest: expected a positive"),
    "falling expiries": (lambda: expiries_between(np.array([0.2, 0.1])), "expected increasing"),
    "less than none": (lambda: expiries_between(np.array([0.2]), -1), "between: expected"),
    "exclusion in text": (lambda: exclusion_reason("x"), "expected one of 0 to 9"),
    "exclusion in a list": (lambda: exclusion_reason([]), "expected one of 0 to 9"),
    "exclusions in text": (lambda: count_exclusions("x"), "codes: expected"),
    "refusal in a list": (lambda: refusal_reason([]), "expected a code of 0 to 10"),
    "book that is none": (lambda: revalue_grid(None, 1.0, 0.0), "book: expected"),
    "paths of no book": (lambda: revalue_paths(None, 1.0), "book: expected"),
    "by option in text": (
        lambda: revalue_grid(examples()["OptionBook"], 1.0, 0.0, by_option="yes"),
        "by_option: expected",
    ),
    "kinds of shock": (
        lambda: revalue_grid(examples()["OptionBook"], 1.0, 0.0, vol_shock=["additive"]),
        "vol_shock: expected",
    ),
    "buffer of none": (lambda: GreeksBuffer(0), "size: expected a whole number from 1"),
    "buffer of a half": (lambda: GreeksBuffer(2.5), "size: expected a whole"),
    "buffer in text": (lambda: GreeksBuffer("x"), "size: expected a whole"),
    "chain at no time": (lambda: chain(ts_ms=None), "ts_ms: expected"),
    "chain at half a time": (lambda: chain(ts_ms=0.5), "ts_ms: expected whole milliseconds"),
    "chain of no coin": (lambda: chain(currency=None), "currency: expected"),
    "chain inverse in text": (lambda: chain(inverse="no"), "inverse: expected"),
    "expiries as dates": (lambda: rows(lambda x: x.astype("M8[ms]"), "expiry_ms"), "expiry_ms"),
    "expiry masked": (lambda: rows(masked, "expiry_ms"), "expiry_ms: expected whole"),
    "expiry within a millisecond": (lambda: rows(lambda x: x + 0.5, "expiry_ms"), "expiry_ms"),
    "expiry in microseconds": (lambda: rows(lambda x: x * 1000, "expiry_ms"), "expiry_ms"),
    "side masked": (lambda: rows(masked, "is_call"), "is_call: expected True or 1"),
    "strikes as dates": (lambda: rows(lambda x: x.astype("M8[s]"), "strike_usd"), "strike_usd"),
    "bids as spans": (lambda: rows(lambda x: x.astype("m8[s]"), "bid"), "bid: expected"),
    "asks in text": (lambda: rows(lambda x: x.astype(str), "ask"), "ask: expected a number"),
    "marks that are complex": (lambda: rows(lambda x: x + 1j, "mark_vol_annual"), "mark_vol"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_and_named(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("name", ["strike_usd", "bid", "ask", "forward_usd", "mark_vol_annual"])
def test_masked_number_of_a_chain_is_missing_and_not_what_lies_under_the_mask(name: str) -> None:
    made = rows(masked, name)
    assert np.flatnonzero(np.isnan(getattr(made, name))).tolist() == [1]


@pytest.mark.parametrize(
    "name", "expiry_ms strike_usd is_call bid ask forward_usd mark_vol_annual discount".split()
)
def test_column_of_a_chain_is_a_copy_that_its_maker_cannot_change(name: str) -> None:
    given = np.array(getattr(examples()["OptionChain"], name))
    made, before = chain(**{name: given}), given.copy()
    given[:] = 0
    np.testing.assert_array_equal(getattr(made, name), before)
    assert not np.shares_memory(getattr(made, name), given)
    with pytest.raises(ValueError, match="read-only"):
        getattr(made, name)[0] = 1


@pytest.mark.parametrize("name", ["theta", "put_wing", "call_wing", "expiry_years"])
def test_slices_are_copies_that_their_maker_cannot_change(name: str) -> None:
    low = examples()["Surface"].low
    given = np.array(getattr(low, name))
    made, before = replace(low, **{name: given}), given.copy()
    given[:] = 0.0
    np.testing.assert_array_equal(getattr(made, name), before)


def test_buffer_without_a_discount_takes_none_off() -> None:
    option = (100.0, 110.0, 0.5, 0.6, True)
    assert GreeksBuffer(1).greeks(*option).price == greeks(*option).price
    assert greeks(*option).price == greeks(*option, 1.0).price


def test_buffer_has_a_size_that_cannot_be_changed_and_refuses_more() -> None:
    buffer = GreeksBuffer(4)
    with pytest.raises(AttributeError):
        buffer.size = 100
    assert buffer.greeks(100.0, [[90.0], [110.0]], [0.1, 0.2], 0.5, True).delta.shape == (2, 2)
    with pytest.raises(InputError, match="options: expected at most 4, got 5"):
        buffer.greeks(100.0, np.full(5, 90.0), 0.1, 0.5, True)


@pytest.mark.parametrize(
    "bad", [{"forward": -1.0}, {"forward": 0.0}, {"average": -1.0}, {"vol_annual": -0.5}]
)
def test_delivery_of_a_negative_input_has_no_answer(bad: dict[str, float]) -> None:
    good = {"forward": 100.0, "average": 101.0, "to_delivery_s": 900.0, "vol_annual": 0.5}
    answer = delivery_inputs(**good | bad)
    assert np.isnan([answer.forward, answer.vol_annual, answer.live_share]).all()


def test_delivery_before_the_average_begins_does_not_read_it() -> None:
    assert delivery_inputs(100.0, -1.0, 1800.0, 0.5).forward == 100.0


def test_net_delta_at_a_negative_mark_has_no_answer() -> None:
    assert np.isnan(net_transaction_delta(0.5, -0.1))


@pytest.mark.parametrize("curve", ["forward_at", "discount_at"])
def test_curve_before_now_has_no_answer(curve: str) -> None:
    assert np.isnan(getattr(surface(), curve)(-0.1))
    assert getattr(surface(), curve)(0.0) > 0.0
