# SPDX-License-Identifier: Apache-2.0
"""Allocation chooses positions, collateral and transfers jointly, and when it pays to move."""
