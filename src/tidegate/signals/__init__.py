# SPDX-License-Identifier: Apache-2.0
"""Signals turn forecasts into edges: carry per dollar and year, its error, life and capacity."""
