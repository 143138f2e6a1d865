# SPDX-License-Identifier: Apache-2.0
"""A year of hourly decision cycles with intra-hour triggers on four venues of twelve contracts.

The market is generated in steps of five minutes, in which the exchange moves marks, judges margin,
settles funding and lands transfers. The engine decides on every hour and looks at every step, so
that an account that must be cut is cut within the hour. Beside its book a strangle of BTC and of
ETH is sold each month and held to delivery, under the venue's exact option margin, by a plain rule
on an exchange of its own: the cycle does not decide options, so that they cost their exchange's
time and no solve. Making the market is timed apart, as it is made once for any number of runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from math import exp

from tidegate.backtest.arrangement import arrange
from tidegate.backtest.experiment import Experiment, Spec, feed_of, run
from tidegate.backtest.provenance import NoTables
from tidegate.backtest.run import Outcome, Session
from tidegate.backtest.trial.contest import WARMUP_DAYS, Contest
from tidegate.backtest.trial.market import world_market, world_tape
from tidegate.backtest.trial.options import (
    OptionContest,
    option_tape,
    play_options,
    with_options,
)
from tidegate.history.window import Window
from tidegate.model.actions import Order
from tidegate.model.events import Delivered, Filled
from tidegate.model.instruments import InstrumentId, Option
from tidegate.model.mandate import Mandate, read_mandate
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.simulation.world import WorldParameters, make_world
from tidegate.simulation.world.option_chain import listed
from tidegate.simulation.world.option_market import OptionMarket, make_option_market
from tidegate.simulation.world.option_parameters import OptionParameters
from tidegate.simulation.world.paths import WorldPaths

YEAR_DAYS, AIM_S, SEED = 365, 300.0, 11
VENUES = ("hyperliquid", "binance", "deribit", "dydx")
OWN = ("BTC", "ETH", "SOL", "XRP", "DOGE", "AVAX")
# Six more coins, each of which moves by the law of the world's last one, and not with it.
MORE = ("LINK", "ADA", "LTC", "DOT", "BCH", "UNI")
MOVES = {"outer": "0.23", "inner": "0.052"}
OPTION_COINS, APART, LOTS = ("BTC", "ETH"), 0.10, 20
LIFE_DAYS = (25, 60)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was run and how long it took; `year_seconds` is extrapolated where `days` are fewer, and
    says so by `extrapolated`. Seconds are of the wall, CPU seconds of this process."""

    days: int
    venues: int
    contracts: int
    options: int
    delivered: int
    steps: int
    cycles: int
    triggered: int
    solves: int
    failures: int
    market_seconds: float
    engine_seconds: float
    options_seconds: float
    seconds: float
    cpu_seconds: float
    year_seconds: float
    year_cpu_seconds: float
    extrapolated: bool
    journal_head: str


def year_mandate() -> Mandate:
    """The trial's book with twelve coins at each of its four venues, decided hourly and watched
    every five minutes; what a venue lacks is its last contract with tick and lot of the coin, of a
    coin that is new those of the last one, where all are."""
    text = files("tidegate.backtest.trial").joinpath("book.toml").read_text(encoding="utf-8")
    head, *sections = text.split("\n[")
    named = {section.partition("]")[0]: section for section in sections}
    kept = [head]
    for name, section in named.items():
        if ".instruments." not in name and name != "[transfer":
            kept.append(section)
    kept += [s for s in sections if s.startswith("[transfer")]
    kept += [_contract(named, venue, coin) for venue in VENUES for coin in (*OWN, *MORE)]
    whole = "\n[".join(kept)
    for field, move in MOVES.items():
        more = "".join(f", {coin} = {move}" for coin in MORE)
        whole = re.sub(rf"^({field} = {{[^}}]*?) }}", rf"\1{more} }}", whole, flags=re.MULTILINE)
    every = "decision_interval_s = 3600\nwatch_interval_s = 300"
    return read_mandate(whole.replace("decision_interval_s = 300", every), "year.toml")


def _contract(named: dict[str, str], venue: str, coin: str) -> str:
    place = f"venue.{venue}.instruments."
    have = [own for own in OWN if place + own in named]
    source = coin if coin in have else have[-1]
    section = named[place + source].replace(f"instruments.{source}]", f"instruments.{coin}]")
    section = section.replace(f'base = "{source}"', f'base = "{coin}"').rstrip() + "\n"
    if coin in have:
        return section
    like = named[f"venue.{VENUES[0]}.instruments.{coin if coin in OWN else OWN[-1]}"]
    for field in ("tick", "lot"):
        (line,) = re.findall(rf"^{field} = .*$", like, re.MULTILINE)
        section = re.sub(rf"^{field} = .*$", line, section, flags=re.MULTILINE)
    return section


def year_paths(days: int, seed: int) -> WorldPaths:
    """The generated market: a month that only forecasts see, then the days that are run."""
    own = WorldParameters()
    more = (replace(own.coins[-1], name=name) for name in MORE)
    parameters = replace(own, coins=(*own.coins, *more))
    return make_world(parameters, seed, WARMUP_DAYS + days, "calm", 0)


def year_experiment(paths: WorldPaths, seed: int) -> Experiment:
    """The run of the engine on a market."""
    start_ms = paths.start_ms + WARMUP_DAYS * DAY_MS
    window = Window(start_ms, paths.start_ms + paths.steps * paths.step_ms)
    arrangement = arrange(year_mandate(), NoTables(), window, "year.toml")
    market = world_market(paths, arrangement, window)
    tape = world_tape(paths, market, arrangement)
    feed = feed_of(arrangement, market, tape)
    return Experiment(arrangement, market, tape, feed, seed, {"data": market.digest})


def year_options(paths: WorldPaths, base: Experiment, seed: int) -> OptionContest:
    """The same market with the strangles that are sold in it."""
    parameters = OptionParameters()
    market = make_option_market(parameters, paths, seed)
    sold = strangles(market, base.tape.start_ms, base.tape.end_ms)
    options = {name: option for name, (option, _) in sold.items()}
    experiment = replace(
        base,
        arrangement=with_options(base.arrangement, parameters.venue, options),
        tape=option_tape(market, base.tape, sold),
        origin={**base.origin, "options": parameters.digest()},
        placement={parameters.venue: 1.0},
    )
    return OptionContest(Contest("first", "calm", seed, None, None, (), base), experiment, sold)


def strangles(
    market: OptionMarket, start_ms: int, end_ms: int
) -> dict[InstrumentId, tuple[Option, int]]:
    """What is sold, with its time: of each coin, at the start and after each delivery, the put and
    the call of the last expiry of 25 to 60 days that stand nearest to a tenth from the index."""
    found: dict[InstrumentId, tuple[Option, int]] = {}
    for coin in OPTION_COINS:
        at = start_ms
        while at < end_ms:
            legs = strangle(market, coin, at)
            found |= {leg.id: (leg, at) for leg in legs}
            at = legs[0].expiry_ms + HOUR_MS
    return found


def strangle(market: OptionMarket, coin: str, at: int) -> tuple[Option, Option]:
    """One coin's put and call as they are listed at a time."""
    index = float(market.coin(coin).index.close[market.step_before(at)])
    least, most = (at + days * DAY_MS for days in LIFE_DAYS)
    alive = [
        one
        for one in listed(market, coin, at, coin_settled=False)
        if least <= one.expiry_ms <= most
    ]
    last = max(one.expiry_ms for one in alive)

    def nearest(is_call: bool) -> Option:
        aim = index * exp(APART if is_call else -APART)
        sides = [one for one in alive if one.expiry_ms == last and one.is_call == is_call]
        return min(sides, key=lambda one: abs(float(one.strike) - aim))

    return nearest(False), nearest(True)


class Seller:
    """Sells what is named at its time, and holds it to delivery."""

    def __init__(self, session: Session, sold: dict[InstrumentId, tuple[Option, int]]) -> None:
        self._session = session
        self._due: dict[int, list[InstrumentId]] = {}
        for name, (_, at) in sold.items():
            self._due.setdefault(at, []).append(name)

    def act(self, ts_ms: int) -> None:
        """Sell what is due now."""
        for name in self._due.pop(ts_ms, []):
            self._session.trade(Order(f"sell {name}", name, -LOTS, False, "strangle"))


def measure(days: int, seed: int = SEED) -> Figures:
    """Make the market, run the engine and the options on it, and count."""
    began = time.perf_counter()
    paths = year_paths(days, seed)
    base = year_experiment(paths, seed)
    held = year_options(paths, base, seed)
    sold = dict(held.options)
    del paths
    made_s = time.perf_counter() - began
    cpu, began = time.process_time(), time.perf_counter()
    engine = run(base, Spec("tidegate"), None)
    engine_s = time.perf_counter() - began
    options = play_options(held, "strangles", lambda session: Seller(session, sold))
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    scale = YEAR_DAYS / days
    return Figures(
        days=days,
        venues=len(VENUES),
        contracts=len(base.arrangement.terms.instruments),
        options=sum(isinstance(event, Filled) for event in options.events),
        delivered=sum(isinstance(event, Delivered) for event in options.events),
        steps=base.tape.steps,
        cycles=engine.decisions,
        triggered=engine.decisions - 24 * days,
        solves=engine.solves,
        failures=engine.failures,
        market_seconds=made_s,
        engine_seconds=engine_s,
        options_seconds=seconds - engine_s,
        seconds=seconds,
        cpu_seconds=cpu_s,
        year_seconds=seconds * scale,
        year_cpu_seconds=cpu_s * scale,
        extrapolated=days != YEAR_DAYS,
        journal_head=_heads(engine, options),
    )


def _heads(*outcomes: Outcome) -> str:
    return " ".join(outcome.journal_head[:16] for outcome in outcomes)


def words(found: Figures) -> str:
    """What was measured, and what it means for a year."""
    how = f"extrapolated from {found.days} days" if found.extrapolated else "run whole"
    verdict = "reached" if found.year_seconds <= AIM_S else "not reached"
    return "\n".join(
        (
            f"{found.days} days, {found.venues} venues x {found.contracts // found.venues} "
            f"contracts, {found.options} options sold and {found.delivered} delivered",
            f"engine: {found.steps:,} looks, {found.cycles:,} cycles ({found.triggered} between "
            f"hours), {found.solves} questions solved, {found.failures} without an answer, "
            f"{found.engine_seconds:.1f} s",
            f"options held beside it, not decided by it: {found.options_seconds:.1f} s",
            f"a year, {how}: {found.year_seconds:.0f} s of the wall, "
            f"{found.year_cpu_seconds:.0f} s of this process; the aim of {AIM_S:.0f} s is {verdict}"
            f" (making the market, apart: {found.market_seconds:.0f} s)",
        )
    )


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--days", type=int, default=YEAR_DAYS, help="days to run, 1 to 365")
    parser.add_argument("--json", action="store_true", help="one document on standard output")
    asked = parser.parse_args(given)
    if not 1 <= asked.days <= YEAR_DAYS:
        parser.error(f"--days: expected 1 to {YEAR_DAYS}, got {asked.days}")
    return asked


def main(given: Sequence[str]) -> None:
    """Measure and print."""
    asked = arguments(given)
    about = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(about, file=sys.stderr)
    found = measure(asked.days)
    print(json.dumps(asdict(found)) if asked.json else words(found))


if __name__ == "__main__":
    main(sys.argv[1:])
