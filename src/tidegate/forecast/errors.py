# SPDX-License-Identifier: Apache-2.0
"""The one way in which a forecast says no: there is too little history to know its error."""

from __future__ import annotations

from tidegate.model.errors import InputError


class InsufficientHistory(InputError):
    """A forecast is refused, because what it needs has not been observed.

    The holder of the edge must then treat it as unknown, which is never the same as zero.
    """
