# SPDX-License-Identifier: Apache-2.0
"""Numbers that compiled code holds and that its faces read: here their text counts as kernels'."""

from __future__ import annotations

# Forwards, strikes and discounts outside are none, and expiries and vols above; inside nothing
# overflows.
AMOUNT_LEAST, AMOUNT_MOST = 1e-100, 1e100

# Bounds of an eSSVI slice, which `tidegate.pricing.essvi` explains.
WING_MAX, CURVATURE_MAX = 3.999, 4.0
