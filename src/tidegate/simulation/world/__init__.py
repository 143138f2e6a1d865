# SPDX-License-Identifier: Apache-2.0
"""A generated market of four venues and six coins: a calm part and a named crisis.

What trades may not import this package: its numbers are the answer to the question put to it.
"""

from tidegate.simulation.world.crises import CRISES
from tidegate.simulation.world.making import make_world
from tidegate.simulation.world.parameters import WorldParameters
from tidegate.simulation.world.paths import AdlEvent, WorldPaths

__all__ = ["CRISES", "AdlEvent", "WorldParameters", "WorldPaths", "make_world"]
