# SPDX-License-Identifier: Apache-2.0
"""Forecasts of volatility and funding, each with a standard error, from realised rows only."""
