# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Timelock
@license AGPL-3.0-only
@notice A change is submitted as the calldata of a function that only the contract itself may call.
        Anybody may carry it out from `delay_s` to `delay_s + GRACE_S` after that; what is neither
        carried out nor revoked by then is void.
@custom:security The delay is judged when a change is carried out, so what was submitted while none
        was needed waits the whole of it once there are depositors.
"""

import checks

DATA_MAX: constant(uint256) = 1_024
GRACE_S: constant(uint256) = 7 * 86_400


event Submitted:
    id: indexed(bytes32)
    data: Bytes[DATA_MAX]


event Revoked:
    id: indexed(bytes32)


event Executed:
    id: indexed(bytes32)


submitted_at: public(HashMap[bytes32, uint256])


@deploy
def __init__():
    pass


@internal
def _submit(data: Bytes[DATA_MAX]):
    id: bytes32 = keccak256(data)
    checks._require(self.submitted_at[id] == 0, "timelock: submitted already")
    self.submitted_at[id] = block.timestamp
    log Submitted(id=id, data=data)


@internal
def _revoke(data: Bytes[DATA_MAX]):
    id: bytes32 = keccak256(data)
    checks._require(self.submitted_at[id] != 0, "timelock: not submitted")
    self.submitted_at[id] = 0
    log Revoked(id=id)


@internal
def _execute(data: Bytes[DATA_MAX], delay_s: uint256):
    id: bytes32 = keccak256(data)
    submitted: uint256 = self.submitted_at[id]
    checks._require(submitted != 0, "timelock: not submitted")
    checks._require(block.timestamp >= submitted + delay_s, "timelock: too early")
    checks._require(block.timestamp <= submitted + delay_s + GRACE_S, "timelock: void")
    self.submitted_at[id] = 0
    log Executed(id=id)
    raw_call(self, data)
