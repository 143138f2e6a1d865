# SPDX-License-Identifier: Apache-2.0
"""The policies that are compared: Tidegate's engine and the rules that people use.

`cash` earns the mandate's hurdle rate. `fixed` opens a hedged book at one leverage and never
touches it. `threshold` also watches every hour. `desk` is a good desk head's own rule, `per-venue`
an optimiser at each venue without the join. Foresight is a bound and not a rule. All pay the same
costs on the same exchange, and know what a desk can know: venues' statements, marks, announced
freezes and outages, queue lights, their own fills. Plain rules take every coin, each in the
direction that funding has paid by all prints known at the start: those of up to a year in a replay
of history, of thirty days in a contest on a generated market. `fixed-best` and `threshold-best`
are the same rules on the two coins that paid most by the same prints.
"""

from tidegate.backtest.policies.desk import DeskPolicy, DeskRule
from tidegate.backtest.policies.engine import EnginePolicy, WatchedPolicy
from tidegate.backtest.policies.foresight import Absence, ForesightPolicy, absences
from tidegate.backtest.policies.pairs import Pair, Pairs, best_pairs, paying_pairs
from tidegate.backtest.policies.per_venue import PerVenuePolicy
from tidegate.backtest.policies.plain import CashPolicy, FixedPolicy
from tidegate.backtest.policies.relief import Comfort
from tidegate.backtest.policies.threshold import ThresholdPolicy

__all__ = [
    "Absence",
    "CashPolicy",
    "Comfort",
    "DeskPolicy",
    "DeskRule",
    "EnginePolicy",
    "FixedPolicy",
    "ForesightPolicy",
    "Pair",
    "Pairs",
    "PerVenuePolicy",
    "ThresholdPolicy",
    "WatchedPolicy",
    "absences",
    "best_pairs",
    "paying_pairs",
]
