# SPDX-License-Identifier: Apache-2.0
"""Prices, Greeks, implied volatilities and surfaces; compiled kernels stay private."""
