# SPDX-License-Identifier: Apache-2.0
"""Fees, spread, impact, financing and conversion: one truth for signals, allocation and exchange."""
