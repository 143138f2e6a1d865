# SPDX-License-Identifier: Apache-2.0
"""What a tape brings between its prices, in the order in which the exchange plays it."""

from __future__ import annotations

from operator import itemgetter

from tidegate.simulation.tape import Deleveraging, DeliveryPrice, Failure, FundingStamp, Tape

Happening = FundingStamp | Deleveraging | DeliveryPrice | Failure


def scheduled(tape: Tape) -> list[Happening]:
    """Everything, the last first: of one time funding, deleveragings, deliveries, failures."""
    found: list[tuple[int, int, Happening]] = [
        *((stamp.ts_ms, 0, stamp) for stamp in tape.funding),
        *((closing.ts_ms, 1, closing) for closing in tape.deleveragings),
        *((price.ts_ms, 2, price) for price in tape.deliveries),
        *((failure.ts_ms, 3, failure) for failure in tape.failures),
    ]
    return [each for _, _, each in sorted(found, key=itemgetter(0, 1))][::-1]
