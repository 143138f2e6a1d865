# SPDX-License-Identifier: Apache-2.0
"""Which number stands where in the kernel's arrays, and what the codes in them mean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

# A time that never comes, and a level that no health is below.
NEVER, NO_WATCH = 2**62, -(2**62)
# Balances beyond this end the run; all products are kept below 2^62 by limits on their factors.
BALANCE_MAX = 2**60

# Kinds of events on a tape.
MARK, QUOTE, TRADE, RANGE, JUDGE, CLOSE, FUNDING, ACCRUE, DEPTH = range(9)

# Kinds of requests, and the columns of one.
ORDER, LIMIT, CANCEL, TRANSFER = range(4)
DUE, WHAT, WHOM, SIZE, PRICE, EXTRA, REF = range(7)
REQUEST_COLUMNS = 7

# What can stop the loop, as bits; the last four always do.
FILL, LIQUIDATION, REFUSAL, LANDING, WATCH = 1, 2, 4, 8, 16
TIME, END, LOG_FULL, TRAP = 32, 64, 128, 256

# Scalars. TOUCHED: money or positions changed since all venues were judged; ROOM: rows of the log
# that one event may need.
CURSOR, NOW, TOUCHED, FLAGS, ROWS, OPENINGS, HEAD, TAIL, PARCELS, STATUS, EXTREMES = range(11)
START, STEP, LAST, ROOM = range(11, 15)
SCALARS = 15
# Values of STATUS.
SOUND, BEYOND_RANGE, STUCK = 0, 1, 2

# Instruments: a row each. VALUE and MAINTENANCE are those at the adverse extreme.
LOTS, COST, OPENED, MARKED, LOW, HIGH, MID, SHOWN, VALUE, MAINTENANCE = range(10)
STEP_SOLD, STEP_BOUGHT, RESTING_SELLS, RESTING_BUYS = range(10, 14)
# What does not change: UNIT / PER is what one tick on one lot is worth in quanta.
VENUE, UNIT, PER, TICKS_MAX, LOTS_MAX, TAKER, MAKER, CLEARANCE, LEVERAGE = range(14, 23)
INSTRUMENT_TERMS, INSTRUMENT_COLUMNS = 14, 23
# The same in floats: terms, and dollars traded on each side within the step.
HALF_SPREAD, IMPACT, SOLD_USD, BOUGHT_USD = range(4)
# Venues: a row each; VALUES, COSTS and REQUIRED are the sums over its positions.
BALANCE, VALUES, COSTS, REQUIRED, HELD, LEVEL = range(6)
# What does not change; ACCRUES is the venue whose interest comes at this place, or -1.
RULE, FIRST, PAST, YIELD, YIELD_PER, ACCRUES = range(6, 12)
VENUE_TERMS, VENUE_COLUMNS = 6, 12
HYPERLIQUID, BINANCE = range(2)
# Resting orders: [instrument, side, place, column]; side 0 sells, 1 buys; the best price first.
REST_REF, REST_LOTS, REST_TICKS, REST_AHEAD = range(4)
RESTING_MAX, RESTING_COLUMNS = 16, 4
# Money under way, by the time at which it lands and by name, which PARCEL_RANK stands for.
LANDS, PARCEL_REF, PARCEL_PASSAGE, PARCEL_QUANTA, PARCEL_RANK = range(5)
PARCELS_MAX, PARCEL_COLUMNS = 256, 5

# Tiers: [instrument, tier, column].
CAP, RATE, OFFSET, TIER_PER, FLOOR, TIER_LEVERAGE = range(6)
TIER_COLUMNS = 6
SOURCE, DESTINATION, FEE, MINIMUM, SHARE, SHARE_PER = range(6)
PASSAGE_TERMS = 6
WINDOW_VENUE, WINDOW_KIND, WINDOW_START, WINDOW_END = range(4)
FROZEN, OUT = range(2)
VOLUME, VOL, SHOWN_SPREAD = range(3)

# Kinds of rows in the log, and its columns; A to G are each kind's own.
FILLED, FUNDED, LIQUIDATED, PENALTY, DEFICIT, YIELDED, ORDER_REFUSED = range(7)
SENT, LANDED, TRANSFER_REFUSED, RESTED, CANCELLED, EXTREME = range(7, 13)
LOG_TS, LOG_KIND, LOG_WHO, LOG_REF, A, B, C, D, E, F, G = range(11)
LOG_COLUMNS = 11
LIQUIDATION_REF = -1

REASONS = (
    "",
    "no lots",
    "venue is out",
    "no price",
    "reduce only",
    "initial margin",
    "would cross",
    "too many orders",
    "no such order",
    "no such route",
    "withdrawals suspended",
    "below the minimum",
    "more than is withdrawable",
)
NO_LOTS, VENUE_OUT, NO_PRICE, REDUCE_ONLY, INITIAL_MARGIN, WOULD_CROSS = range(1, 7)
TOO_MANY, NO_ORDER, NO_ROUTE, SUSPENDED, BELOW_MINIMUM, NOT_WITHDRAWABLE = range(7, 13)
CAUSES = ("clearance fee", "margin forfeited")
CLEARANCE_FEE, FORFEITED = range(2)


class Events(NamedTuple):
    """A tape as columns."""

    ts_ms: Integers
    kind: Integers
    who: Integers
    a: Integers
    b: Integers


class World(NamedTuple):
    """Everything but the tape; the last four do not change."""

    scalars: Integers
    instruments: Integers
    money: Floats
    venues: Integers
    resting: Integers
    requests: Integers
    parcels: Integers
    log: Integers
    tiers: Integers
    passages: Integers
    windows: Integers
    depth: Floats
