# SPDX-License-Identifier: Apache-2.0
"""What the room shows: its public classes and functions, found in its modules, with an example."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np

from tests.pricing.made_chains import FORWARD_USD, made_chain
from tidegate import pricing
from tidegate.pricing import black76, cos_method, implied_vol, inverse, parity, raw_svi, scenarios
from tidegate.pricing.arrays import Batch, Rebuilt
from tidegate.pricing.calibration import Settings, calibrate
from tidegate.pricing.concentrated_liquidity import LiquidityPosition
from tidegate.pricing.jump_diffusion import Kou, Merton
from tidegate.pricing.option_chain import quotes
from tidegate.pricing.static_arbitrage import check
from tidegate.pricing.surface import Dynamics, Shock

# A programme that reads files and prints, not a part of the room.
PROGRAMMES = {"evidence"}
# Through these the others take their inputs; tests/pricing/test_arrays.py is about them.
MACHINERY = {"arrays"}
# Modules of the room call these, with functions and batches that they have made.
INSIDE = {
    *("in_blocks", "inverted", "support", "jump_counts", "poisson_weights"),
    *("option_batch", "flat_price", "flat_greeks"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A public function, constructor or method, bound to an example of its class."""

    name: str
    call: Callable[..., Any]
    arguments: dict[str, Any]
    arrays: tuple[str, ...]
    takes_arrays: bool
    text: str


def _room() -> Iterator[Any]:
    for module in iter_modules(pricing.__path__):
        if not module.name.startswith("_") and module.name not in PROGRAMMES:
            yield import_module(f"tidegate.pricing.{module.name}")


def _own(module: Any) -> dict[str, Any]:
    return {
        name: found
        for name, found in vars(module).items()
        if getattr(found, "__module__", None) == module.__name__ and not name.startswith("_")
    }


def classes() -> dict[str, type]:
    """Public classes of which there are values; no protocols, no enumerations."""
    return {
        name: found
        for module in _room()
        for name, found in _own(module).items()
        if inspect.isclass(found)
        and not (issubclass(found, Enum) or getattr(found, "_is_protocol", False))
        and not inspect.isabstract(found)
        and found is not Rebuilt
    }


def frozen() -> dict[str, type]:
    """Public classes of frozen values."""
    found = classes()
    return {name: kind for name, kind in found.items() if is_dataclass(kind)}


@cache
def examples() -> dict[str, Any]:
    """A value of each public class, by the name of the class."""
    chain = made_chain(days=(7, 30), strikes=9)
    surface = calibrate(chain)
    option = (100.0, [110.0, 120.0], 0.5, 0.6, True)
    book = scenarios.OptionBook(*option, 1.0)
    svi = raw_svi.RawSvi(0.02, 0.1, -0.2, 0.05, 0.3)
    merton = Merton(0.5, 3.0, -0.1, 0.2)
    given: list[Any] = [
        chain,
        surface,
        surface.quality,
        surface.quality.expiries[0] if surface.quality else None,
        surface.marks,
        surface.low,
        surface.low.parameters,
        surface.smile([0.1, 0.2], 0.1),
        Shock(0.1),
        Settings(),
        quotes(chain),
        check(surface, surface.expiry_years),
        parity.parity(chain)[0],
        parity.forwards(chain)[0],
        raw_svi.diagnose(chain)[0],
        svi,
        svi.jump_wings(0.25),
        book,
        scenarios.revalue_grid(book, [0.9, 1.1], [0.0, 0.1]),
        black76.greeks(*option),
        black76.GreeksBuffer(6),
        inverse.greeks_coin(*option),
        inverse.delivery_inputs(100.0, 101.0, 900.0, 0.5),
        implied_vol.implied_vol(5.0, 100.0, 110.0, 0.5, True),
        merton,
        Kou(0.5, 3.0, 0.4, 10.0, 8.0),
        merton.at(0.5),
        merton.cumulants(0.5),
        cos_method.CosineSeries.of(merton, 0.5),
        LiquidityPosition(1e4, 5.0, 20.0),
        Batch.of([1.0, 2.0], 3.0),
        _broken(surface),
    ]
    return {type(value).__name__: value for value in given}


def _broken(surface: Any) -> Any:
    return surface.shocked(Shock(skew=3.0)).broken_bounds[0]


@cache
def samples() -> dict[str, Any]:
    """A good value of each parameter, by its name; of an array parameter one number."""
    made = examples()
    chain, surface = made["OptionChain"], made["Surface"]
    return {
        "forward": 100.0, "strike": 110.0, "expiry_years": 0.05, "vol_annual": 0.6,
        "is_call": True, "discount": 0.97, "price": 9.0, "price_coin": 0.05, "average": 101.0,
        "delta_usd": 0.4, "mark_price_coin": 0.02, "to_delivery_s": 900.0, "log_return": 0.1,
        "probability": 0.3, "log_strike": 0.1, "variance": 0.09, "slope": 0.1, "bend": 0.1,
        "strike_usd": FORWARD_USD, "horizon_years": 0.5, "dynamics": Dynamics.STICKY_DELTA,
        "forward_ratio": 1.1, "forward_ratios": 1.1, "vol_shifts": 0.1, "elapsed_years": 0.01,
        "vol_shock": "additive", "by_option": False, "book": made["OptionBook"], "shock": Shock(),
        "chain": chain, "futures_usd": {int(chain.expiry_ms[0]): FORWARD_USD},
        "curve": parity.forwards(chain), "settings": Settings(), "surface": surface,
        "held_out": np.zeros(chain.bid.size, dtype=bool), "every": made["Quotes"],
        "rows": np.array([0, 3]), "code": 1, "codes": np.array([1, 2]), "points": 20,
        "farthest": 1.0, "between": 2, "weight": 1.0, "law": made["Merton"], "frequency": 1.0,
        "order": 0.5, "log_tail": -10.0, "size": 6,
    }  # fmt: skip


_ARRAYS = {"ArrayLike", "FloatArray", "BoolArray | None", "IntArray"}
# These take rows, and one number is none.
ROWS = {
    "fit_raw_svi": ("log_strike", "variance", "weight"),
    "check": ("expiry_years", "log_strike"),
    "expiries_between": ("expiry_years",),
    **dict.fromkeys(("CosineSeries.put", "CosineSeries.out_of_the_money"), ("log_strike",)),
    **{
        f"CosineSeries.{name}": ("log_return",)
        for name in ("density", "cumulative", "cumulative_and_density")
    },
}


def shown() -> list[Shown]:
    """Every public function and method, and the constructor of every class of values."""
    return [each for module in _room() for each in _shown_of(module)]


def _shown_of(module: Any) -> Iterator[Shown]:
    machinery = module.__name__.rpartition(".")[2] in MACHINERY
    for name, found in _own(module).items():
        if inspect.isfunction(found) and not machinery and name not in INSIDE:
            yield _described(name, found, found, {})
        elif name in classes() and not machinery:
            value = examples()[name]
            told = inspect.signature(found).parameters
            yield _described(name, found, found, {each: getattr(value, each) for each in told})
            yield from _methods(name, found, value)


def _methods(name: str, kind: type, value: Any) -> Iterator[Shown]:
    for method, _ in inspect.getmembers(kind, callable):
        bound = getattr(value, method, None)
        if not method.startswith("_") and inspect.ismethod(bound):
            yield _described(f"{name}.{method}", bound, bound, {})


def _described(name: str, call: Callable[..., Any], told: Any, fixed: dict[str, Any]) -> Shown:
    parameters = inspect.signature(told).parameters
    arguments = {each: fixed[each] if fixed else samples()[each] for each in parameters}
    for each in ROWS.get(name, ()):
        arguments[each] = np.linspace(0.5, 1.0, 9) * arguments[each]
    annotations = {each: parameter.annotation for each, parameter in parameters.items()}
    arrays = [each for each, kind in annotations.items() if kind == "ArrayLike" and not fixed]
    takes_arrays = not fixed and any(kind in _ARRAYS for kind in annotations.values())
    text = inspect.getdoc(told) or ""
    return Shown(name, call, arguments, tuple(arrays), takes_arrays, text)
