# SPDX-License-Identifier: Apache-2.0
"""One run of a sweep, by itself: all that a process anywhere needs to make it, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from tidegate.backtest.arrangement import Arrangement, arrange
from tidegate.backtest.daily import daily_excess
from tidegate.backtest.experiment import Experiment, feed_of, run
from tidegate.backtest.market import Market, load_market
from tidegate.backtest.measures import Measures, measure
from tidegate.backtest.run_id import RunKey, code_digest
from tidegate.backtest.sweep.strain import strained
from tidegate.backtest.tape import build_tape
from tidegate.history.tables import VenueTables
from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate

# A window's bars may be hundreds of megabytes; runs come window by window.
MARKETS_MAX = 2
OTHER_CODE = "a worker has another version of Tidegate than this process"
OTHER_DATA = "a worker has other data than this process"


@dataclass(frozen=True, slots=True)
class Task:
    """A run's key, the mandate that it names, the name of its file, and the folder of data."""

    key: RunKey
    mandate: Mandate
    where: str
    data: str


class Result(msgspec.Struct, frozen=True):
    """What came of a run: its measures and daily excess returns, or one line on why there are
    none. What is not `final` was the machine's doing, and is tried again by the next sweep."""

    id: str
    failure: str | None = None
    measures: Measures | None = None
    daily: tuple[float, ...] = ()
    final: bool = True


class Played(msgspec.Struct, frozen=True):
    """A result, or why this process may not make it: it has other code or other data."""

    result: Result
    refusal: str | None = None


class _OtherData(Exception):
    """The folder of data does not hold what the key says."""


def play_task(task: Task) -> Played:
    """Make a run; its own error becomes its result, so that none is lost and none stops others."""
    try:
        if code_digest() != task.key.code_sha256:
            return Played(Result(task.key.id), OTHER_CODE)
        return Played(_made(task))
    except _OtherData:
        return Played(Result(task.key.id), OTHER_DATA)
    except Exception as error:
        return Played(failed(task.key.id, error))


def failed(id_: str, error: BaseException, *, final: bool = True) -> Result:
    """The result of a run that ended in an error."""
    words = " ".join(str(error).split())
    told = words if isinstance(error, InputError) else f"{type(error).__name__}: {words}"
    return Result(id_, failure=told, final=final)


def _made(task: Task) -> Result:
    key = task.key
    root = Path(task.data)
    plain = arrange(task.mandate, VenueTables(root), key.window, task.where)
    market = _market(root, plain, task)
    arrangement = strained(plain, key.strain)
    tape = build_tape(market, arrangement, key.freezes, task.where)
    feed = feed_of(arrangement, market, tape)
    experiment = Experiment(arrangement, market, tape, feed, key.seed, {"data": market.digest})
    outcome = run(experiment, key.spec, None)
    daily = daily_excess(outcome.series, arrangement.mandate)
    return Result(key.id, measures=measure(outcome, arrangement), daily=daily)


def asked_of_market(mandate: Mandate) -> tuple[tuple[str, ...], ...]:
    """All of a mandate on which the data that it reads over a window depend."""
    return tuple(
        (venue, symbol, terms.kind, terms.base, terms.bars, terms.mark.value)
        for venue, said in mandate.venue.items()
        for symbol, terms in said.instruments.items()
    )


_markets: dict[tuple[object, ...], Market] = {}


def _market(root: Path, arrangement: Arrangement, task: Task) -> Market:
    """The market, read once a process for all runs that ask for the same of it."""
    asked = asked_of_market(arrangement.mandate)
    place = (task.data, task.key.data_sha256, task.key.window, asked)
    if place not in _markets:
        market = load_market(root, arrangement, task.key.window, task.where)
        if market.digest != task.key.data_sha256:
            raise _OtherData
        while len(_markets) >= MARKETS_MAX:
            _markets.pop(next(iter(_markets)))
        _markets[place] = market
    return _markets[place]
