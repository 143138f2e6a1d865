# SPDX-License-Identifier: Apache-2.0
"""The models that are scored and pooled, each under the name that tables and cards use."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.forecast.garch import Garch
from tidegate.forecast.har import Har
from tidegate.forecast.model import Model
from tidegate.forecast.naive import Ewma, RandomWalk
from tidegate.forecast.realised_garch import RealisedGarch
from tidegate.forecast.seasonal import Seasonal
from tidegate.model.times import DAY_MS

BASELINE = "HAR"
POOL = "pool"
WEEK = "week log-HAR leverage quarticity"


@dataclass(frozen=True, slots=True)
class Expert:
    """A model, and for how many rows a fit of it is kept."""

    model: Model
    refit_every: int = 1


def experts(period_ms: int = DAY_MS) -> tuple[Expert, ...]:
    """Every model for a grid of days, or for a finer one, where fits are kept for a day.

    The GARCH models are of daily returns and are refitted once a week.
    """
    refit = max(1, DAY_MS // period_ms)
    leverage = Har("", leverage=True)
    quarticity = Har("", leverage=True, quarticity=True)
    linear = (
        Har(BASELINE, in_logs=False),
        RandomWalk(),
        Ewma(),
        Har("log-HAR"),
        Har("log-HAR leverage", leverage=True),
        Har("log-HAR leverage quarticity", leverage=True, quarticity=True),
        Seasonal(Har("", in_logs=False), "week HAR"),
        Seasonal(leverage, "week log-HAR leverage"),
        Seasonal(quarticity, WEEK),
    )
    found = tuple(Expert(model, refit) for model in linear)
    if period_ms != DAY_MS:
        return found
    implied = Har("", leverage=True, quarticity=True, implied=True)
    daily = (
        Garch("GARCH"),
        Garch("GJR-GARCH-t", asymmetric=True, student=True),
        RealisedGarch(),
        Seasonal(RealisedGarch(), "week realised GARCH"),
    )
    return (
        *found,
        Expert(Seasonal(implied, f"{WEEK} implied")),
        *(Expert(model, 7) for model in daily),
    )
