# SPDX-License-Identifier: Apache-2.0
"""Deterministic simulation of faults: venues behind a bad wire, a bad disk, a process that dies.

Everything is drawn from a seed: which faults are on, how likely each is, when and where. The same
seed gives the same run to the byte. What is not simulated yet stands in `menu.NOT_SIMULATED`.
"""
