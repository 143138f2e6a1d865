# SPDX-License-Identifier: Apache-2.0
"""Contracts in an EVM within this process: quick enough for thousands of random actions.

It counts no gas that could be quoted. The libraries of the chain are imported when they are needed,
so that these tests can be collected where only Tidegate's own environment is there.
"""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "contracts" / "src"))

Abi = list[dict[str, Any]]
START_S = 1_800_000_000
DAY_S = 86_400
NOBODY = "0x" + "00" * 20
UNKNOWN_REASON = "no reason"


class Refused(Exception):
    """A call that reverted, with the reason that the contract gave."""


def account(name: str) -> str:
    """An address that belongs to a name."""
    return "0x" + hashlib.sha256(name.encode()).hexdigest()[-40:]


def _kind(part: dict[str, Any]) -> str:
    if not part["type"].startswith("tuple"):
        return str(part["type"])
    inner = ",".join(map(_kind, part["components"]))
    return f"({inner}){part['type'].removeprefix('tuple')}"


@dataclass(frozen=True, slots=True)
class Function:
    """How one function is called: selector, types in and out, and whether it only looks."""

    selector: bytes
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    looks: bool

    def data(self, *args: Any) -> bytes:
        from eth_abi import encode

        return self.selector + encode(self.takes, args)

    def result(self, output: bytes) -> Any:
        from eth_abi import decode

        values = decode(self.gives, output)
        return values[0] if len(values) == 1 else values


@cache
def _selector(signature: str) -> bytes:
    from eth_utils import keccak

    return bytes(keccak(text=signature)[:4])


def functions(abi: Abi) -> dict[str, Function]:
    """Every function of an ABI by name."""
    found = {}
    for part in abi:
        if part["type"] == "function":
            takes = tuple(map(_kind, part["inputs"]))
            selector = _selector(f"{part['name']}({','.join(takes)})")
            looks = part["stateMutability"] in {"view", "pure"}
            gives = tuple(map(_kind, part["outputs"]))
            found[part["name"]] = Function(selector, takes, gives, looks)
    return found


@lru_cache(maxsize=64)
def shipped(name: str) -> tuple[dict[str, Function], bytes, tuple[str, ...]]:
    """Functions, creation code and constructor types of a contract as it is shipped."""
    import tidegate_contracts

    contract = tidegate_contracts.load(name)
    return functions(contract.abi), contract.bytecode, _constructor(contract.abi)


@lru_cache(maxsize=64)
def compiled(path: str) -> tuple[dict[str, Function], bytes, tuple[str, ...]]:
    """Likewise of a source that only tests use, compiled now."""
    from tidegate_contracts.compile import compile_file

    artifact = compile_file(REPOSITORY / path)
    return (
        functions(artifact["abi"]),
        bytes.fromhex(artifact["bytecode"]),
        _constructor(artifact["abi"]),
    )


def _constructor(abi: Abi) -> tuple[str, ...]:
    return tuple(
        _kind(part) for item in abi if item["type"] == "constructor" for part in item["inputs"]
    )


class Evm:
    """One chain: deploys, calls, and lets time pass."""

    def __init__(self) -> None:
        import pyrevm

        self._pyrevm = pyrevm
        self.raw = pyrevm.EVM()
        self.now_s = START_S
        self.wait(0)

    def wait(self, seconds: int) -> None:
        self.now_s += seconds
        self.raw.set_block_env(self._pyrevm.BlockEnv(timestamp=self.now_s))

    def deploy(self, name: str, *args: Any, sender: str) -> At:
        from eth_abi import encode

        source = compiled(name) if name.endswith(".vy") else shipped(name)
        known, code, takes = source
        return At(self, self._do(self._deploy, sender, code + encode(takes, args)), known)

    def _deploy(self, sender: str, code: bytes) -> str:
        return str(self.raw.deploy(sender, code))

    def call(self, sender: str, to: str, data: bytes) -> bytes:
        return bytes(self._do(self._call, sender, to, data))

    def _call(self, sender: str, to: str, data: bytes) -> bytes:
        return bytes(self.raw.message_call(caller=sender, to=to, calldata=data))

    def _do(self, act: Any, *args: Any) -> Any:
        # Each call is a transaction of its own. A snapshot around it would stay on the stack of the
        # journal, which is 1,024 deep; a call that reverts leaves nothing behind without one.
        self.raw.reset_transient_storage()
        try:
            return act(*args)
        except RuntimeError as error:
            raise Refused(reason(str(error))) from None


def reason(text: str) -> str:
    """The reason in a revert's text, or `UNKNOWN_REASON`."""
    from eth_abi import decode

    match = re.search(r"0x08c379a0([0-9a-f]*)", text)
    return str(decode(["string"], bytes.fromhex(match[1]))[0]) if match else UNKNOWN_REASON


class At:
    """A contract at its address: `at.name(*arguments, sender=address)`."""

    def __init__(self, evm: Evm, address: str, known: dict[str, Function]) -> None:
        from eth_utils import to_checksum_address

        self.evm, self.address, self.known = evm, to_checksum_address(address), known

    def __getattr__(self, name: str) -> Any:
        try:
            function = self.known[name]
        except KeyError:
            raise AttributeError(name) from None

        def call(*args: Any, sender: str = NOBODY) -> Any:
            output = self.evm.call(sender, self.address, function.data(*args))
            return function.result(output) if function.gives else None

        return call

    def data(self, name: str, *args: Any) -> bytes:
        """The calldata of a call."""
        return self.known[name].data(*args)
