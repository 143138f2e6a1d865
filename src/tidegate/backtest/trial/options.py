# SPDX-License-Identifier: Apache-2.0
"""A contest with options: the same market and book, and beside them what one venue lists.

The venue's account is margined with its options by Deribit's standard rule, options settled in
USDC are traded, marked and delivered, and what a policy is shown of perpetuals is as before.
A contest without options knows nothing of this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import groupby
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.experiment import Experiment
from tidegate.backtest.provenance import Provenance
from tidegate.backtest.run import (
    Outcome,
    Policy,
    Session,
    close,
    header,
    journal_at,
    open_session,
    play,
)
from tidegate.backtest.trial.contest import Contest, World, make_contest
from tidegate.costs.options import DeliveryFee, OptionCosts
from tidegate.engine.memory import Tally
from tidegate.margin.deribit import DeribitStandard
from tidegate.margin.deribit_options import DeribitOptions, OptionRates
from tidegate.model.errors import InputError
from tidegate.model.instruments import Index, InstrumentId, Option
from tidegate.model.mandate import Mandate
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.model.units import nearest_ticks
from tidegate.simulation.delivery import average_price
from tidegate.simulation.tape import DeliveryPrice, Tape, Track
from tidegate.simulation.terms import ExchangeTerms
from tidegate.simulation.world.option_chain import Chain, chain, listed
from tidegate.simulation.world.option_listing import EXPIRY_HOUR, is_daily
from tidegate.simulation.world.option_market import (
    IndexPath,
    OptionMarket,
    OptionQuotes,
    make_option_market,
)
from tidegate.simulation.world.option_parameters import OptionParameters
from tidegate.simulation.world.paths import WorldPaths

# A generated chain's market: its past is long enough for volatility to forget its begin.
CHAIN_DAYS, CHAIN_CRISIS_DAY = 12, 9
AS_OF = "2025-01-01"
# Shares of short options and the liquidation fee: doc.tslab.pro, copy of the official page.
SHARES = (Fraction("0.15"), Fraction("0.10"), Fraction("0.075"))
CLEARANCE_PPM = 2_000
COSTS = OptionCosts(500, 0.05, 1.0, cap_ppm=125_000)
DAILY_FEE, OTHER_FEE = DeliveryFee(0, 0), DeliveryFee(150, 125_000)
_SAID = (
    ("short shares", "0.15, 0.10, 0.075", "doc.tslab.pro, undated copy of the official page"),
    ("clearance", "0.002", "assumed: liquidation fee of the page before 2022"),
    ("taker", "0.0005 of the index, at most 0.125 of the premium", "support.deribit.com, Fees"),
    ("impact", "1.0", "assumed: square-root law on the premium (Toth et al. 2011)"),
    ("delivery", "0.00015, at most 0.125 of value; daily 0", "fee summary, November 2025"),
)


@dataclass(frozen=True, slots=True)
class Offer:
    """Which of the listed options a contest carries: coins, days to expiry at most when listed, and
    log distance of the strike from the index then at most; and what their market is made of."""

    coins: tuple[str, ...] = ("BTC", "ETH")
    longest_days: float = 10.0
    widest: float = 0.2
    parameters: OptionParameters = field(default_factory=OptionParameters)


@dataclass(frozen=True, slots=True)
class OptionContest:
    """A contest of perpetuals, and the same with options: `options` by id, each with the time of
    its listing; the experiment's arrangement, tape and origin know them, its feed does not."""

    contest: Contest
    experiment: Experiment
    options: Mapping[InstrumentId, tuple[Option, int]]


def make_option_contest(
    world: World, mandate: Mandate, crisis: str, seed: int, offer: Offer
) -> OptionContest:
    """Make a contest and its venue's option market from a random stream of its own.

    The perpetuals' paths are those of `make_contest`; the journal states the digest of both
    worlds' parameters together. Raises `InputError` as `make_contest`, for a coin without options,
    and for a venue that is not margined by Deribit's standard rule.
    """
    parameters, kept = offer.parameters, list[WorldPaths]()

    def make(*what: object) -> WorldPaths:
        kept.append(world.make(*what))  # type: ignore[arg-type]
        return kept[0]

    stated = replace(world, make=make, digest=parameters.with_world(world.digest))
    contest = make_contest(stated, mandate, crisis, seed)
    market = make_option_market(parameters, kept[0], seed)
    base = contest.experiment
    options = _offered(market, base.tape, offer)
    named = {name: option for name, (option, _) in options.items()}
    experiment = replace(
        base,
        arrangement=with_options(base.arrangement, parameters.venue, named),
        tape=option_tape(market, base.tape, options),
        origin={**base.origin, "options": parameters.digest()},
    )
    return OptionContest(contest, experiment, options)


def play_options(
    held: OptionContest,
    label: str,
    make_policy: Callable[[Session], Policy],
    journal_path: Path | None = None,
) -> Outcome:
    """Play a policy that may trade options from start to end and seal its journal."""
    experiment = held.experiment
    arrangement, tape, seed = experiment.arrangement, experiment.tape, experiment.seed
    fields = header(arrangement, tape, label, seed, experiment.origin)
    journal = journal_at(journal_path, fields)
    session = open_session(arrangement, tape, journal, seed, experiment.placement)
    play(session, make_policy(session), tape)
    return close(session, label, Tally())


def chains_at(
    world: World, crisis: str, seed: int, coin: str, hours: Sequence[float]
) -> tuple[Chain, ...]:
    """A coin's chains in a generated market at hours from the begin of its crisis, in calm from
    that of the day on which one would come; each as of the last step that has ended then.

    Raises `InputError` for an unknown crisis, a coin without coin-settled options, and hours
    outside the market.
    """
    if crisis not in world.crises:
        raise InputError("--crisis", crisis, f"expected one of {', '.join(world.crises)}")
    paths = world.make(seed, CHAIN_DAYS, crisis, CHAIN_CRISIS_DAY)
    calm_ms = paths.start_ms + CHAIN_CRISIS_DAY * DAY_MS
    begin_ms = calm_ms if paths.crisis_start_ms is None else paths.crisis_start_ms
    ends = (paths.start_ms + DAY_MS, paths.start_ms + paths.steps * paths.step_ms)
    least, most = ((end - begin_ms) / HOUR_MS for end in ends)
    if not all(least <= hour <= most for hour in hours):
        raise InputError("--at", "HOURS", f"expected {least:.1f} to {most:.1f} for this seed")
    market = make_option_market(OptionParameters(), paths, seed)
    return tuple(chain(market, coin, begin_ms + round(h * HOUR_MS)) for h in sorted(hours))


def with_options(
    arrangement: Arrangement, venue: str, options: Mapping[InstrumentId, Option]
) -> Arrangement:
    """The arrangement with a venue's options: contracts, margin, costs and delivery fees."""
    terms = arrangement.terms
    if venue not in terms.rules:
        raise InputError("options", "venue", f"expected a venue of the mandate, got {venue!r}")
    rules = tuple((at, _margined(rule, options)) for at, rule in terms.rules[venue])
    fees = {n: DAILY_FEE if is_daily(o.expiry_ms) else OTHER_FEE for n, o in options.items()}
    said = tuple(
        Provenance(f"venue.{venue}.options.{field}", value, AS_OF, source, "mandate")
        for field, value, source in _SAID
    )
    traded: ExchangeTerms = replace(
        terms,
        instruments={**terms.instruments, **options},
        rules={**terms.rules, venue: rules},
        costs={**terms.costs, **dict.fromkeys(options, COSTS)},
        delivery_fees={**terms.delivery_fees, **fees},
    )
    return replace(arrangement, terms=traded, provenance=(*arrangement.provenance, *said))


def _margined(rule: object, options: Mapping[InstrumentId, Option]) -> DeribitOptions:
    if not isinstance(rule, DeribitStandard):
        raise InputError("options", "rule", "expected a venue under deribit_standard")
    rates = OptionRates(*SHARES, CLEARANCE_PPM, AS_OF, "option margin")
    coins = {option.base for option in options.values()}
    underlyings = {name: option.index for name, option in options.items()}
    return DeribitOptions(rule, options, underlyings, dict.fromkeys(coins, rates))


def _offered(
    market: OptionMarket, tape: Tape, offer: Offer
) -> dict[InstrumentId, tuple[Option, int]]:
    """What is listed when the run begins and at 08:00 of each day of it, with the first time."""
    found: dict[InstrumentId, tuple[Option, int]] = {}
    reviews = range(tape.start_ms + EXPIRY_HOUR * HOUR_MS, tape.end_ms, DAY_MS)
    for coin in offer.coins:
        for ts_ms in (tape.start_ms, *reviews):
            index = float(market.coin(coin).index.close[market.step_before(ts_ms)])
            for option in listed(market, coin, ts_ms, coin_settled=False):
                near = abs(log(float(option.strike) / index)) <= offer.widest
                if near and option.expiry_ms - ts_ms <= offer.longest_days * DAY_MS:
                    found.setdefault(option.id, (option, ts_ms))
    return found


def option_tape(
    market: OptionMarket, base: Tape, options: Mapping[InstrumentId, tuple[Option, int]]
) -> Tape:
    """The tape with tracks of options and of their indices, and with what is delivered."""
    indices = {option.index.id: option.index for option, _ in options.values()}
    coins = {option.index.id: option.base for option, _ in options.values()}
    offset = (base.start_ms - market.start_ms) // base.step_ms
    tracks = dict(base.tracks)
    for name, index in indices.items():
        tracks[name] = _index_track(market.coin(coins[name]).index, index, offset, base.steps)
    ordered = sorted(options.values(), key=lambda one: (one[0].base, one[0].expiry_ms, one[0].id))
    for (coin, _), group in groupby(ordered, key=lambda o: (o[0].base, o[0].expiry_ms)):
        tracks |= _option_tracks(market, coin, list(group), base)
    played = replace(base, tracks=tracks)
    due = {(option.expiry_ms, option.index.id) for option, _ in options.values()}
    return replace(played, deliveries=_deliveries(played, indices, due))


def _deliveries(
    tape: Tape, indices: Mapping[str, Index], due: set[tuple[int, str]]
) -> tuple[DeliveryPrice, ...]:
    """The mean of each index over the last half hour before each expiry within the tape."""
    return tuple(
        average_price(tape, indices[name], expiry_ms)
        for expiry_ms, name in sorted(due)
        if tape.start_ms < expiry_ms <= tape.end_ms
    )


def _index_track(path: IndexPath, index: Index, first: int, steps: int) -> Track:
    opened, high, low, last = (
        nearest_ticks(row[first : first + steps], index.tick).tolist()
        for row in (path.open, path.high, path.low, path.close)
    )
    return Track(opened, high, low, last, [0.0] * steps, [0.0] * steps)


def _option_tracks(
    market: OptionMarket, coin: str, group: list[tuple[Option, int]], base: Tape
) -> dict[InstrumentId, Track]:
    """Tracks of options of one coin and expiry. Before its listing and from its expiry on an option
    has no price and does not trade; while it lives nobody sells it below a tick."""
    begun = [(listed_ms - base.start_ms) // base.step_ms for _, listed_ms in group]
    last = min(base.steps, (group[0][0].expiry_ms - base.start_ms) // base.step_ms)
    first, options = min(begun), [option for option, _ in group]
    offset = (base.start_ms - market.start_ms) // base.step_ms
    quotes = market.quotes(coin, options, offset + first, last - first)
    around = (first, base.steps - last)
    return {
        option.id: _option_track(quotes, place, option, (begun[place] - first, around))
        for place, option in enumerate(options)
    }


def _option_track(
    quotes: OptionQuotes, place: int, option: Option, life: tuple[int, tuple[int, int]]
) -> Track:
    """One option's track; `life` is (quotes before its listing, steps (before, after) quotes)."""
    unlisted, around = life
    opened, high, low, last = (
        nearest_ticks(row[:, place], option.tick)
        for row in (quotes.open, quotes.high, quotes.low, quotes.close)
    )
    opened = np.maximum(opened, 1)
    opened[:unlisted] = 0
    half_spread = quotes.half_spread_usd[:, place] / np.maximum(opened * float(option.tick), 1e-9)

    def padded(row: NDArray[Any]) -> list[Any]:
        return [*[0] * around[0], *row.tolist(), *[0] * around[1]]

    return Track(
        padded(opened),
        padded(high),
        padded(low),
        padded(last),
        padded(quotes.volume_day_usd[:, place]),
        padded(quotes.vol_daily[:, place]),
        padded(half_spread),
    )
