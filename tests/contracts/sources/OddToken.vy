# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Odd token
@license AGPL-3.0-only
@notice A token that misbehaves as it is told: takes a fee, answers false, or calls somebody first.
"""

decimals: public(uint8)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
fee_bps: public(uint256)
answers_false: public(bool)
target: public(address)
payload: public(Bytes[2048])
reentered: public(bool)
answer: public(Bytes[256])


@deploy
def __init__(decimals: uint8):
    self.decimals = decimals


@external
def behave(fee_bps: uint256, answers_false: bool, target: address, payload: Bytes[2048]):
    self.fee_bps = fee_bps
    self.answers_false = answers_false
    self.target = target
    self.payload = payload


@external
def mint(receiver: address, amount: uint256):
    self.balanceOf[receiver] += amount


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True


@external
def transfer(receiver: address, amount: uint256) -> bool:
    return self._move(msg.sender, receiver, amount)


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    assert self.allowance[owner][msg.sender] >= amount, "token: allowance"
    self.allowance[owner][msg.sender] -= amount
    return self._move(owner, receiver, amount)


@internal
def _move(owner: address, receiver: address, amount: uint256) -> bool:
    if self.answers_false:
        return False
    self.balanceOf[owner] -= amount
    self.balanceOf[receiver] += amount - amount * self.fee_bps // 10_000
    if self.target != empty(address):
        target: address = self.target
        self.target = empty(address)
        self.reentered, self.answer = raw_call(
            target, self.payload, max_outsize=256, revert_on_failure=False
        )
    return True
