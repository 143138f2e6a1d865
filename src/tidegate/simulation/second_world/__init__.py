# SPDX-License-Identifier: Apache-2.0
"""A second market world with other dynamics, on which what the first one showed is checked."""

from tidegate.simulation.second_world.make import make_second_world
from tidegate.simulation.second_world.parameters import SecondParameters

__all__ = ["SecondParameters", "make_second_world"]
