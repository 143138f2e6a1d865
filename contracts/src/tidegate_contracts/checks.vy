# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Checks
@license AGPL-3.0-only
@notice `assert` with a reason. The vault has some eighty of them, and written out each time they
        would not fit into the size that a contract may have.
"""


@internal
@pure
def _require(holds: bool, reason: String[48]):
    assert holds, reason
