# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Test board
@license AGPL-3.0-only
@notice Series that protocols show on the chain (a price, a rate), as their deployer posts them, for
        tests and demonstrations. A series only goes forward, and never beyond the present.
"""

POINTS_MAX: constant(uint256) = 256


event Posted:
    series: indexed(bytes32)
    at: uint256
    value: int256


DEPLOYER: immutable(address)

last_at: public(HashMap[bytes32, uint256])


@deploy
def __init__():
    DEPLOYER = msg.sender


@external
def post(
    series: DynArray[bytes32, POINTS_MAX],
    at: DynArray[uint256, POINTS_MAX],
    values: DynArray[int256, POINTS_MAX],
):
    """
    @notice Posts points, each of the series at its place.
    @param at Seconds, later than the last of their series.
    @param values In millionths, or in whatever unit the series has.
    """
    assert msg.sender == DEPLOYER, "board: not deployer"
    assert len(series) == len(at) and len(at) == len(values), "board: lengths"
    for i: uint256 in range(len(series), bound=POINTS_MAX):
        assert at[i] > self.last_at[series[i]] and at[i] <= block.timestamp, "board: time"
        self.last_at[series[i]] = at[i]
        log Posted(series=series[i], at=at[i], value=values[i])
