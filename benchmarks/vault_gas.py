# SPDX-License-Identifier: Apache-2.0
"""Gas of the vault on test venues, from receipts, beside a published vault's figures.

`python benchmarks/vault_gas.py` prints a table, `--json` everything as JSON, `--quick` two venues
alone. It needs the environment of `make test-contracts`. Every figure is a receipt's `gasUsed` on
py-evm by way of web3, calldata and base cost included. Every check is on and two of three signers
sign. Real venues add their own gas.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "contracts" / "src"))

USD, DAY_S = 10**6, 86_400
BPS, NEVER = 10_000, 2**256 - 1
VENUES, QUICK_VENUES = (2, 5, 10, 16), (2,)
AIMS = {"5 venues, all move": 300_000, "5 venues, one moves": 240_000}
# Morpho Vault V2 compiled from its source in August 2026 (runtime 17,180 bytes), mock adapters.
MORPHO = {
    "Morpho Vault V2, one allocation, steady": 153_000,
    "Morpho Vault V2, one deallocation": 110_000,
    "Morpho Vault V2, multicall of 5 allocations": 321_000,
}
NOT_THERE = "vault_gas: web3 and eth-tester are not here; run it as `make bench` does"


@dataclass(frozen=True, slots=True)
class People:
    """Accounts of the tester, unlocked: each has one role."""

    owner: str
    curator: str
    allocator: str
    sentinel: str
    holder: str


class Chain:
    """Deploys and sends on py-evm, and notes what each transaction used."""

    def __init__(self) -> None:
        from web3 import EthereumTesterProvider, Web3

        self.provider = EthereumTesterProvider()
        self.web3 = Web3(self.provider)
        self.people = People(*self.web3.eth.accounts[:5])

    def deploy(self, name: str, *args: Any) -> Any:
        import tidegate_contracts

        known = tidegate_contracts.load(name)
        factory = self.web3.eth.contract(abi=known.abi, bytecode=known.bytecode)
        sent = factory.constructor(*args).transact({"from": self.people.owner})
        receipt = self.web3.eth.wait_for_transaction_receipt(sent)
        return self.web3.eth.contract(address=receipt["contractAddress"], abi=known.abi)

    def send(self, call: Any, sender: str) -> int:
        receipt = self.web3.eth.wait_for_transaction_receipt(call.transact({"from": sender}))
        if receipt["status"] != 1:
            raise RuntimeError(f"{call.fn_name} reverted")
        return int(receipt["gasUsed"])

    def now_s(self) -> int:
        return int(self.web3.eth.get_block("latest")["timestamp"])


class Vault:
    """A vault over some test venues, a deposit in it, every limit set."""

    def __init__(self, venues: int) -> None:
        self.chain = chain = Chain()
        people = chain.people
        self.token = chain.deploy("TestToken", "Test dollar", "TUSD", 6)
        self.anchor = chain.deploy("AuditAnchor")
        roles = [people.curator, people.allocator, people.sentinel]
        self.vault = chain.deploy(
            "CapitalVault",
            self.token.address,
            "Tidegate",
            "TIDE",
            self.anchor.address,
            roles,
            (2 * DAY_S, 7 * DAY_S, DAY_S),
        )
        self.policy = chain.deploy("RiskPolicy", self.vault.address, 2 * DAY_S)
        self.adapters = [
            chain.deploy("TestVenue", self.token.address, self.vault.address) for _ in range(venues)
        ]
        self._settle()
        chain.send(self.token.functions.mint(people.holder, 10**12), people.owner)
        chain.send(self.token.functions.approve(self.vault.address, NEVER), people.holder)

    def _settle(self) -> None:
        from tests.contracts.setting import POLICY, signers

        self.keys = signers(3)
        addresses = [key.address for key in self.keys]
        self.carry_out(self.vault, "set_signers", addresses, 2)
        self.carry_out(self.vault, "appoint", POLICY, self.policy.address)
        book = (500, 100 * BPS, 100, 300, 30 * DAY_S, 100, 100)
        self.carry_out(self.policy, "set_book_limit", book)
        for group in range(4):
            self.carry_out(self.policy, "set_group_limit", group, (2**100, 9_500))
        for number, adapter in enumerate(self.adapters):
            self.carry_out(self.vault, "add_venue", adapter.address)
            limit = (2**100, 9_000, number % 4, 12_000, DAY_S, 0)
            self.carry_out(self.policy, "set_venue_limit", adapter.address, limit)

    def carry_out(self, contract: Any, name: str, *args: Any) -> None:
        data = contract.encode_abi(name, args=list(args))
        self.chain.send(contract.functions.submit(data), self.chain.people.curator)
        self.chain.send(contract.functions.execute(data), self.chain.people.holder)

    def rebalance(self, deltas: dict[int, int], keys: int = 2) -> int:
        from tests.contracts.setting import SNAPSHOT, sign_order

        moves = [
            (self.adapters[i].address, delta, abs(delta)) for i, delta in sorted(deltas.items())
        ]
        moves.sort(key=lambda move: move[1])  # what comes home pays for what leaves
        nonce = self.vault.functions.order_nonce().call()
        order = (nonce, self.chain.now_s() + 3_600, SNAPSHOT, 1)
        chain_id = self.chain.web3.eth.chain_id
        signed = sign_order(self.vault.address, order, moves, self.keys[:keys], chain_id)
        call = self.vault.functions.rebalance(order, moves, signed)
        return self.chain.send(call, self.chain.people.allocator)


def measure(venues: int) -> dict[str, int]:
    """Gas by the name of what was done."""
    vault = Vault(venues)
    people, functions, send = vault.chain.people, vault.vault.functions, vault.chain.send
    rows = {}
    rows["first deposit"] = send(functions.deposit(10**10, people.holder), people.holder)
    rows["first allocation"] = vault.rebalance(dict.fromkeys(range(venues), 500 * USD))
    half = {i: (-1) ** i * 20 * USD for i in range(venues)}
    vault.rebalance(half)
    rows["all move"] = vault.rebalance({i: -delta for i, delta in half.items()})
    rows["one moves"] = vault.rebalance({0: 10 * USD})
    rows["one moves, three sign"] = vault.rebalance({0: 10 * USD}, keys=3)
    rows["deposit"] = send(functions.deposit(10**9, people.holder), people.holder)
    ask = functions.requestRedeem(10**15, people.holder, people.holder)
    rows["redemption: request"] = send(ask, people.holder)
    fulfil = functions.fulfil(people.holder, 10**15, [], 0)
    rows["redemption: fulfilment"] = send(fulfil, people.holder)
    paid = functions.redeem(10**15, people.holder, people.holder)
    rows["redemption: payment"] = send(paid, people.holder)
    home = functions.bring_home(vault.adapters[0].address, 100 * USD, 100 * USD)
    rows["sentinel brings home"] = send(home, people.sentinel)
    return {f"{venues} venues, {name}": gas for name, gas in rows.items()}


def table(rows: dict[str, int]) -> str:
    """The figures with the aims they are held against, and the peer's below."""
    lines = [f"{'what':44}{'gas':>11}  aim"]
    for name, gas in rows.items():
        aim = AIMS.get(name)
        verdict = "" if aim is None else f"{aim:,} {'met' if gas <= aim else 'MISSED'}"
        lines.append(f"{name:44}{gas:>11,}  {verdict}".rstrip())
    lines += [f"{name:44}{gas:>11,}" for name, gas in MORPHO.items()]
    lines.append("Morpho's: other checks (caps by risk id), no signatures, no whole-book check.")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="everything as one JSON document")
    parser.add_argument("--quick", action="store_true", help="two venues alone")
    given = parser.parse_args(arguments)
    try:
        import eth_tester  # noqa: F401
        import web3  # noqa: F401
    except ImportError:
        print(NOT_THERE, file=sys.stderr)
        return 0
    rows: dict[str, int] = {}
    for venues in QUICK_VENUES if given.quick else VENUES:
        rows |= measure(venues)
    print(json.dumps({"gas": rows, "peer": MORPHO, "aims": AIMS}) if given.json else table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
