# SPDX-License-Identifier: Apache-2.0
"""The ledger of trials: every run that this user has made, so that luck can be reckoned with.

It is a file of lines with checksums (`checked_lines`), at `TIDEGATE_TRIALS`, else in the user's
state folder: `$XDG_STATE_HOME/tidegate/trials.jsonl`, by default below `~/.local/state`. A run is
known by its id, so the same run repeated is no new trial; a change of the code makes a new one.
A ledger that cannot be read or written stops no run, and is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from tidegate.backtest.checked_lines import append_line, locked_lines, read_lines
from tidegate.backtest.honesty.sharpe import sharpe_sample
from tidegate.backtest.run_id import RunKey, Strain
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.parsing import UNREADABLE_JSON

VARIABLE = "TIDEGATE_TRIALS"
# Bills hardly vary, so that their ratio is of any size and would be all of the variance.
RISKLESS = frozenset({"cash"})


class Trial(msgspec.Struct, frozen=True, tag_field="format", tag="tidegate trial 1"):
    """One run: its id, what was run on which window, and its Sharpe ratio per day, from `days`
    daily returns in excess of the mandate's hurdle rate (None where too few days do not vary)."""

    id: str
    mandate: str
    policy: str
    start_ms: int
    end_ms: int
    seed: int
    strain: Strain
    data_sha256: str
    sharpe_daily: float | None
    days: int


class Seen(msgspec.Struct, frozen=True):
    """How many trials there were: on this very window, on any that overlaps it, and in all; and
    the variance of the Sharpe ratios per day of those that overlap and take a risk, from `known` of
    them."""

    window: int
    overlapping: int
    total: int
    known: int
    variance: float | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a ledger holds, each run once, and what must be told of it (nothing: all is well)."""

    path: Path
    trials: tuple[Trial, ...]
    trouble: str | None = None


def ledger_path() -> Path:
    """Where this user's trials are counted."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "tidegate" / "trials.jsonl"


def sharpe_of(returns: Sequence[float]) -> float | None:
    """Sharpe ratio per day of daily excess returns; None where there is none."""
    try:
        return sharpe_sample(np.array(returns)).sharpe
    except InputError:
        return None


def trial_of(key: RunKey, mandate: str, returns: Sequence[float]) -> Trial:
    """The trial of a finished run; `mandate` is the mandate's name."""
    return Trial(
        key.id,
        mandate,
        key.spec.label,
        key.window.start_ms,
        key.window.end_ms,
        key.seed,
        key.strain,
        key.data_sha256,
        sharpe_of(returns),
        len(returns),
    )


def read_trials(path: Path) -> Ledger:
    """All trials of a ledger, in the order in which they were first made."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Ledger(path, ())
    except OSError as error:
        return Ledger(path, (), f"{path}: trials: cannot be read ({error.strerror})")
    return Ledger(path, *_decoded(path, content))


def count_trials(path: Path, made: Iterable[Trial]) -> Ledger:
    """Append the trials that the ledger does not have, and return all that it has then."""
    new = {trial.id: trial for trial in made}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked_lines(path) as file:
            had, trouble = _decoded(path, file.read())
            for trial in had:
                new.pop(trial.id, None)
            for trial in new.values():
                append_line(file, msgspec.json.encode(trial))
    except OSError as error:
        before = read_trials(path)
        for trial in before.trials:
            new.pop(trial.id, None)
        told = f"{path}: trials: not counted: {len(new)} ({error.strerror})"
        return Ledger(path, (*before.trials, *new.values()), told)
    return Ledger(path, (*had, *new.values()), trouble)


def seen(trials: Iterable[Trial], window: Window) -> Seen:
    """How often a window was tried; whatever the data, since a ledger cannot tell a copy of a
    market from another market. So it is at least the number that counts."""
    every = list(trials)
    same = (window.start_ms, window.end_ms)
    over = [t for t in every if t.start_ms < window.end_ms and t.end_ms > window.start_ms]
    risky = (t.sharpe_daily for t in over if t.policy not in RISKLESS)
    ratios = [ratio for ratio in risky if ratio is not None]
    return Seen(
        window=sum((t.start_ms, t.end_ms) == same for t in over),
        overlapping=len(over),
        total=len(every),
        known=len(ratios),
        variance=float(np.var(ratios, ddof=1)) if len(ratios) > 1 else None,
    )


def _decoded(path: Path, content: bytes) -> tuple[tuple[Trial, ...], str | None]:
    payloads, spoilt = read_lines(content)
    found: dict[str, Trial] = {}
    strange = 0
    for payload in payloads:
        try:
            trial = msgspec.json.decode(payload, type=Trial)
        except UNREADABLE_JSON:
            strange += 1
            continue
        found.setdefault(trial.id, trial)
    lost = len(spoilt) + strange
    told = f"{path}: trials: {lost} lines cannot be read and are not counted" if lost else None
    return tuple(found.values()), told
