# SPDX-License-Identifier: Apache-2.0
"""Fees, spread, impact, financing and conversion: one truth for all who pay or expect them."""
