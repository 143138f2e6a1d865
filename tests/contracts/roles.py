# SPDX-License-Identifier: Apache-2.0
"""Who may call which function that changes something: every contract, every function.

A function that is added to a contract and not to this table fails the tests.
"""

from __future__ import annotations

ANYBODY = frozenset(
    "owner curator allocator sentinel keeper manager strategist stranger next".split()
)
TIMELOCK, VAULT, POOL = frozenset({"itself"}), frozenset({"vault"}), frozenset({"pool"})
NOBODY = frozenset[str]()


def _of(*people: str) -> frozenset[str]:
    return frozenset(people)


# What a refused caller is told stands beside who is not refused.
MATRIX: dict[str, dict[str, tuple[frozenset[str], str]]] = {
    "CapitalVault": {
        "transfer": (ANYBODY, ""),
        "transferFrom": (ANYBODY, ""),
        "approve": (ANYBODY, ""),
        "deposit": (ANYBODY, ""),
        "mint": (ANYBODY, ""),
        "setOperator": (ANYBODY, ""),
        "requestRedeem": (ANYBODY, ""),
        "fulfil": (ANYBODY, ""),
        "redeem": (ANYBODY, ""),
        "withdraw": (ANYBODY, ""),
        "accrue": (ANYBODY, ""),
        "execute": (ANYBODY, ""),
        "rebalance": (_of("allocator"), "vault: not allocator"),
        "act": (_of("manager"), "vault: not manager"),
        "bring_home": (_of("sentinel", "keeper"), "vault: not sentinel or keeper"),
        "deleverage": (_of("keeper"), "vault: not keeper"),
        "transfer_ownership": (_of("owner"), "vault: not owner"),
        "accept_ownership": (_of("next"), "vault: not the next owner"),
        "appoint": (_of("owner"), "vault: not owner"),
        "pause": (_of("sentinel"), "vault: not sentinel"),
        "resume": (_of("owner"), "vault: not owner"),
        "shut": (_of("sentinel", "owner"), "vault: not sentinel or owner"),
        "submit": (_of("curator"), "vault: not curator"),
        "revoke": (_of("sentinel", "curator"), "vault: not sentinel or curator"),
        "set_signers": (TIMELOCK, "vault: not timelock"),
        "add_venue": (TIMELOCK, "vault: not timelock"),
        "retire_venue": (_of("curator"), "vault: not curator"),
    },
    "RiskPolicy": {
        "set_venue_limit": (_of("curator") | TIMELOCK, "policy: not curator"),
        "set_group_limit": (_of("curator") | TIMELOCK, "policy: not curator"),
        "set_book_limit": (_of("curator") | TIMELOCK, "policy: not curator"),
        "submit": (_of("curator"), "policy: not curator"),
        "revoke": (_of("sentinel", "curator"), "policy: not sentinel or curator"),
        "execute": (ANYBODY, ""),
        "check": (VAULT, "policy: not vault"),
    },
    "ActionManager": {
        "act": (_of("strategist"), "manager: not a strategist"),
        "submit": (_of("curator"), "manager: not curator"),
        "revoke": (_of("sentinel", "curator"), "manager: not sentinel or curator"),
        "execute": (ANYBODY, ""),
        "set_root": (TIMELOCK, "manager: not timelock"),
        "clear_root": (_of("sentinel", "curator"), "manager: not sentinel or curator"),
    },
    "AttestedAdapter": {
        "report": (ANYBODY, ""),
        "mark_down": (_of("sentinel"), "attested: not sentinel"),
        "allocate": (VAULT, "attested: not vault"),
        "deallocate": (VAULT, "attested: not vault"),
        "deleverage": (NOBODY, "attested: positions are off the chain"),
        "perform": (NOBODY, "attested: positions are off the chain"),
    },
    "AaveV3Adapter": {
        "allocate": (VAULT, "aave: not vault"),
        "deallocate": (VAULT, "aave: not vault"),
        "deleverage": (NOBODY, "aave: nothing is borrowed"),
        "perform": (NOBODY, "aave: no actions"),
    },
    "PerpV2Adapter": {
        "allocate": (VAULT, "perp: not vault"),
        "deallocate": (VAULT, "perp: not vault"),
        "deleverage": (VAULT, "perp: not vault"),
        "perform": (VAULT, "perp: not vault"),
    },
    "UniswapV3LPAdapter": {
        "allocate": (VAULT, "lp: not vault"),
        "deallocate": (VAULT, "lp: not vault"),
        "deleverage": (NOBODY, "lp: nothing is borrowed"),
        "perform": (NOBODY, "lp: no actions"),
        "uniswapV3MintCallback": (POOL, "lp: not pool"),
        "uniswapV3SwapCallback": (POOL, "lp: not pool"),
    },
    "Keeper": {"act": (ANYBODY, "")},
    "AuditAnchor": {"anchor": (ANYBODY, "")},
}
