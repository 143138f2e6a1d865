# SPDX-License-Identifier: Apache-2.0
"""Frozen values: instruments, accounts, events, market, mandate, units and times."""
