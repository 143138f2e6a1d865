# SPDX-License-Identifier: Apache-2.0
"""Speaks to a development node on loopback: deploys, calls in anybody's name, lets time pass.

For tests and demonstrations only: the node is asked to act for any address, so no key is needed and
none is safe. The vault's own edge signs and knows nothing of this.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Mapping
from contextlib import closing
from types import MappingProxyType
from typing import Any, NoReturn

from tidegate.model.errors import InputError
from tidegate.venues.chain.artifacts import Abi, Artifact

NOBODY = "0x" + "00" * 20
UNKNOWN_REASON = "no reason"
# Within what one transaction may use since the fork named Osaka: EIP-7825, 2**24.
GAS = 16_000_000
_ERROR = re.compile(r"0x08c379a0([0-9a-f]*)")
_RICH_WEI = hex(10**24)
_TIMEOUT_S = 60
_NONE: Mapping[str, str] = MappingProxyType({})


class Refused(Exception):
    """A call that reverted, with the reason that the contract gave."""


class Chain:
    """One development node by its port. `spent` is the gas of the last transaction."""

    def __init__(self, port: int) -> None:
        """Each block is one second after the one before, whatever the clock says."""
        self.port = port
        self._rich: set[str] = set()
        self.spent = 0
        self.rpc("anvil_setBlockTimestampInterval", 1)
        self.rpc("anvil_autoImpersonateAccount", True)

    def rpc(self, method: str, *params: Any) -> Any:
        """The node's answer; raises `Refused` with the reason where it reports an error."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_S)
        with closing(connection):
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
        if "error" in answer:
            _refuse(answer["error"])
        return answer["result"]

    @property
    def now_s(self) -> int:
        """The second of the last block."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def wait(self, seconds: int) -> None:
        """Makes one block, so many seconds after the last."""
        self.rpc("evm_setNextBlockTimestamp", self.now_s + max(seconds, 1))
        self.rpc("evm_mine")

    def look(self, sender: str, to: str, data: bytes) -> bytes:
        """What a call would give now; nothing changes."""
        given = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(GAS)}
        return bytes.fromhex(self.rpc("eth_call", given, "latest").removeprefix("0x"))

    def transact(self, sender: str, data: bytes, to: str | None = None) -> dict[str, Any]:
        """Sends it in that name and gives the receipt; raises `Refused` where it reverted."""
        if sender not in self._rich:
            self.rpc("anvil_setBalance", sender, _RICH_WEI)
            self._rich.add(sender)
        given = {"from": sender, "data": "0x" + data.hex(), "gas": hex(GAS)}
        given |= {"to": to} if to else {}
        receipt = self._receipt(self.rpc("eth_sendTransaction", given))
        if receipt["status"] != "0x1":
            before = hex(int(receipt["blockNumber"], 16) - 1)
            self.rpc("eth_call", given, before)
            raise Refused(UNKNOWN_REASON)
        self.spent = int(receipt["gasUsed"], 16)
        return receipt

    def _receipt(self, sent: str) -> dict[str, Any]:
        # The node answers before it makes the block.
        ends_s = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < ends_s:
            receipt: dict[str, Any] | None = self.rpc("eth_getTransactionReceipt", sent)
            if receipt is not None:
                return receipt
            time.sleep(0.002)
        raise InputError("anvil", sent, f"expected it in a block within {_TIMEOUT_S} seconds")

    def create(
        self,
        artifact: Artifact,
        *args: Any,
        sender: str,
        libraries: Mapping[str, str] = _NONE,
    ) -> At:
        """Deploys a contract with its constructor's arguments."""
        from eth_abi.abi import encode

        data = artifact.linked(libraries) + encode(_constructor(artifact.abi), args)
        return self.at(self.transact(sender, data)["contractAddress"], artifact.abi)

    def at(self, address: str, abi: Abi) -> At:
        """A contract that stands there already."""
        return At(self, address, abi)


class At:
    """A contract at its address: `at.name(*arguments, sender=address)`.

    An overloaded function is called by its signature: `at.call("name(uint256)", 1, sender=...)`.
    What only looks sends nothing; what changes something is looked at first, for its result.
    """

    def __init__(self, chain: Chain, address: str, abi: Abi) -> None:
        from eth_utils.address import to_checksum_address

        self.chain, self.address, self.abi = chain, to_checksum_address(address), abi
        self._known = {
            key: part
            for part in abi
            if part["type"] == "function"
            for key in (part["name"], _signature(part))
        }

    def __getattr__(self, name: str) -> Any:
        if name not in self._known:
            raise AttributeError(name)
        return lambda *args, sender=NOBODY: self.call(name, *args, sender=sender)

    def data(self, name: str, *args: Any) -> bytes:
        """The calldata of a call."""
        from eth_abi.abi import encode
        from eth_utils.crypto import keccak

        part = self._known[name]
        takes = [_kind(given) for given in part["inputs"]]
        return bytes(keccak(text=_signature(part))[:4]) + encode(takes, args)

    def call(self, name: str, *args: Any, sender: str = NOBODY) -> Any:
        """The result; raises `Refused` with the contract's reason."""
        from eth_abi.abi import decode

        part, data = self._known[name], self.data(name, *args)
        output = self.chain.look(sender, self.address, data)
        if part["stateMutability"] not in {"view", "pure"}:
            self.chain.transact(sender, data, self.address)
        values = decode([_kind(given) for given in part["outputs"]], output)
        return values[0] if len(values) == 1 else (values or None)


def _kind(part: Mapping[str, Any]) -> str:
    if not part["type"].startswith("tuple"):
        return str(part["type"])
    inner = ",".join(map(_kind, part["components"]))
    return f"({inner}){part['type'].removeprefix('tuple')}"


def _signature(part: Mapping[str, Any]) -> str:
    return f"{part['name']}({','.join(map(_kind, part['inputs']))})"


def _constructor(abi: Abi) -> list[str]:
    return [_kind(part) for item in abi if item["type"] == "constructor" for part in item["inputs"]]


def _refuse(error: Mapping[str, Any]) -> NoReturn:
    from eth_abi.abi import decode

    if match := _ERROR.search(str(error.get("data", ""))):
        raise Refused(str(decode(["string"], bytes.fromhex(match[1]))[0]))
    if "revert" in str(error.get("message", "")).lower():
        data = str(error.get("data") or "0x")
        raise Refused(UNKNOWN_REASON if data == "0x" else data)
    raise InputError("anvil", "answer", str(error.get("message", error)))
