# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Audit anchor
@license AGPL-3.0-only
@notice Each publisher has one chain of roots: head' = keccak256(head, root, count). Nobody can take
        a root out of it or change their order, the publisher included.
@custom:security There is no call out of this contract, so there is nothing to lock.
"""
from interfaces import IAuditAnchor

implements: IAuditAnchor


event Anchored:
    publisher: indexed(address)
    count: indexed(uint256)
    root: bytes32
    head: bytes32


head: public(HashMap[address, bytes32])
count: public(HashMap[address, uint256])


@external
def anchor(root: bytes32) -> bytes32:
    """
    @notice Appends a root to the caller's own chain.
    @param root Merkle root of the record to be anchored; not zero.
    @return The caller's new head.
    """
    assert root != empty(bytes32), "anchor: empty root"
    count: uint256 = self.count[msg.sender] + 1
    head: bytes32 = keccak256(abi_encode(self.head[msg.sender], root, count))
    self.count[msg.sender] = count
    self.head[msg.sender] = head
    log Anchored(publisher=msg.sender, count=count, root=root, head=head)
    return head
