# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title Book
@license AGPL-3.0-only
@notice What vault, policy and adapters say to each other. Amounts are units of the vault's asset.
"""

VENUES_MAX: constant(uint256) = 16
BPS: constant(uint256) = 10_000


# One holder each. The owner, who appoints curator and sentinel, stands beside them.
flag Role:
    CURATOR
    ALLOCATOR
    SENTINEL
    KEEPER
    MANAGER
    POLICY


struct Venue:
    adapter: address
    value: uint256  # what the venue would return if it were left now
    health_bps: uint256  # equity over requirement; max_value(uint256) where nothing is owed
    as_of: uint256  # the second the value is known from; zero where it is unknown


struct Book:
    idle: uint256
    total: uint256  # idle and every venue
    venues: DynArray[Venue, VENUES_MAX]


struct Move:
    adapter: address
    delta: int256  # to the venue if positive, home if negative
    min_out: uint256  # least gain of the venue's value, or least that comes home
