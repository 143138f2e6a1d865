# SPDX-License-Identifier: Apache-2.0
"""The edge to a node: AsyncWeb3 over HTTP, on loopback or at the https address that is named.

Whatever goes wrong is one line that names host and question; the whole address, which may hold a
provider's key, is never said.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tidegate.model.errors import InputError
from tidegate.venues.vault.logs import Log
from tidegate.venues.vault.outbox import Call, Entry, Receipt, Sight, Stage
from tidegate.venues.vault.reasons import LONGEST_CHARS, NO_REASON, reason
from tidegate.venues.vault.shipped import shipped

LOOPBACK = "http://127.0.0.1:8545"
TIMEOUT_S = 20
PAUSE_S = 0.5
LOGS_BLOCKS = 2_000  # what public nodes answer in one question
T = TypeVar("T")


class NodeError(Exception):
    """A node did not answer a question, or not sensibly: which, and of what kind the error was."""

    def __init__(self, host: str, question: str, kind: str) -> None:
        super().__init__(f"{host}: {question}: expected an answer ({kind})")


class Reverted(Exception):
    """A contract refused, with its reason."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block's place, hash, second, and fee of a unit of gas."""

    number: int
    hash: str
    ts_s: int
    base_fee_wei: int


def check_address(url: str) -> str:
    """The host of a node's address; raises `InputError`, which never quotes the address, unless it
    is https, or http on loopback, without a name or password in it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, parts, port = "", urlsplit(""), None
    secure = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    if not host or not secure or parts.username or parts.password:
        expected = "expected https, or http on loopback, without a name or password"
        raise InputError("node", "rpc", expected)
    return host if port is None else f"{host}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def connect(url: str = LOOPBACK) -> ChainNode:
    """The node at an address; nothing is asked yet."""
    host = check_address(url)
    try:
        from web3 import AsyncHTTPProvider, AsyncWeb3
    except ImportError:
        raise InputError("vault", "node", "expected the extra `vault` to be installed") from None
    # The library logs the whole address, some of it even where nobody asks for more than news.
    logging.getLogger("web3").setLevel(logging.CRITICAL)
    # A redirect would lead to an address that nobody named.
    options = {"timeout": TIMEOUT_S, "allow_redirects": False}
    provider = AsyncHTTPProvider(url, request_kwargs=options, exception_retry_configuration=None)
    return ChainNode(AsyncWeb3(provider), host)


class ChainNode:
    """Questions to one chain: `web3` is an AsyncWeb3 over a provider, `host` its name in errors."""

    def __init__(self, web3: Any, host: str) -> None:
        self._web3, self._host = web3, host
        self._known: dict[tuple[str, str], Any] = {}

    async def close(self) -> None:
        """End the connection."""
        with suppress(AttributeError, NotImplementedError):  # A chain in this process has none.
            await self._web3.provider.disconnect()

    async def pause(self) -> None:
        """Wait a little, between two looks."""
        await asyncio.sleep(PAUSE_S)

    async def chain_id(self) -> int:
        """The chain's number."""
        return int(await self._ask("chain id", self._web3.eth.chain_id))

    async def block(self, which: int | str = "latest") -> Block:
        """A block by its number, or the head."""
        found = await self._ask("block", self._web3.eth.get_block(which))
        fee = int(found.get("baseFeePerGas", 0))
        return Block(int(found["number"]), _hex(found["hash"]), int(found["timestamp"]), fee)

    async def has_code(self, address: str, at: int) -> bool:
        """Whether a contract stands at an address at a block."""
        code = self._web3.eth.get_code(address, block_identifier=at)
        return bool(await self._ask("code", code))

    async def view(self, contract: str, address: str, name: str, *args: Any, at: int) -> Any:
        """What a function of a shipped contract says at a block; raises `Reverted`."""
        called = self._contract(contract, address).functions[name](*args).call(block_identifier=at)
        return await self._ask(f"{contract}.{name}", called)

    def _contract(self, contract: str, address: str = "") -> Any:
        """The library's object, kept: to make one costs more than to ask the node."""
        if (contract, address) not in self._known:
            where = {"address": address} if address else {}
            made = self._web3.eth.contract(**where, abi=shipped(contract).abi)
            self._known[contract, address] = made
        return self._known[contract, address]

    def data(self, contract: str, name: str, *args: Any) -> str:
        """The calldata of a call of a shipped contract, as `0x` text."""
        known = self._contract(contract)
        return str(known.encode_abi(name, args=list(args)))

    def creation(self, contract: str, *args: Any) -> str:
        """The creation code of a shipped contract with its arguments, as `0x` text."""
        known = shipped(contract)
        made = self._web3.eth.contract(abi=known.abi, bytecode=known.code)
        return str(made.constructor(*args).data_in_transaction)

    async def logs(self, contract: str, address: str, first: int, last: int) -> list[Log]:
        """Every log that a shipped contract wrote in these blocks, decoded, in order.

        Events that its ABI does not know are left out.
        """
        found: list[Log] = []
        for start in range(first, last + 1, LOGS_BLOCKS):
            end = min(last, start + LOGS_BLOCKS - 1)
            asked = {"address": address, "fromBlock": start, "toBlock": end}
            raw = await self._ask("logs", self._web3.eth.get_logs(asked))
            found.extend(self._decoded(contract, raw))
        return found

    def _decoded(self, contract: str, raw: Sequence[Mapping[str, Any]]) -> list[Log]:
        known = self._contract(contract)
        events = {_hex(event.topic): event for event in known.events}
        logs = []
        for log in raw:
            event = events.get(_hex(log["topics"][0])) if log["topics"] else None
            if event is not None:
                args = event.process_log(log)["args"]
                plain = {name: _plain(value) for name, value in args.items()}
                logs.append(Log(event.event_name, log["blockNumber"], log["logIndex"], plain))
        return logs

    async def dry_run(self, sender: str, call: Call, at: int | str = "latest") -> str:
        """The reason for which a call would revert now, empty where it would not."""
        asked = {"from": sender, "data": call.data, "gas": call.gas}
        asked |= {"to": call.to} if call.to else {}
        try:
            await self._ask("dry run", self._web3.eth.call(asked, at))
        except Reverted as error:
            return str(error)
        return ""

    async def gas(self, sender: str, to: str, data: str) -> int:
        """The gas that a call would need now; raises `Reverted`."""
        asked = {"from": sender, "to": to, "data": data}
        return int(await self._ask("gas", self._web3.eth.estimate_gas(asked)))

    async def look(self, address: str, entry: Entry, depth_blocks: int) -> Sight:
        """What the chain shows of an entry: counts before receipts, so that a nonce that was used
        by one of its attempts is never seen without the receipt."""
        head = await self.block()
        nonce = await self.count(address, head.number)
        settled = await self._settled(address, head.number - depth_blocks)
        receipt = await self._receipt(entry)
        waits = receipt is None and (entry.nonce is None or nonce == entry.nonce)
        return Sight(
            block_number=head.number,
            ts_s=head.ts_s,
            base_fee_wei=head.base_fee_wei,
            nonce=nonce,
            settled_nonce=settled,
            receipt=receipt,
            pooled=await self._pooled(entry) if receipt is None else frozenset(),
            refusal=await self._refusal(address, entry.call, receipt) if waits or receipt else "",
        )

    async def _refusal(self, address: str, call: Call, receipt: Receipt | None) -> str:
        if receipt is None:
            return await self.dry_run(address, call)
        if receipt.success:
            return ""
        # Upon the block before: near what the producer had, and all that a node gives.
        with suppress(NodeError):
            return await self.dry_run(address, call, receipt.block_number - 1)
        return ""

    async def count(self, address: str, at: int) -> int:
        """How many transactions of an address the chain has up to a block."""
        counted = self._web3.eth.get_transaction_count(address, at)
        return int(await self._ask("transaction count", counted))

    async def _settled(self, address: str, at: int) -> int:
        # A node without that past cannot say that a nonce is settled; then none is.
        try:
            return await self.count(address, at) if at >= 0 else 0
        except (NodeError, Reverted):
            return 0

    async def receipt(self, hash: str) -> Receipt | None:
        """Where a transaction was included; None where it is not."""
        from web3.exceptions import TransactionNotFound

        with suppress(TransactionNotFound):
            found = await self._ask("receipt", self._web3.eth.get_transaction_receipt(hash))
            if found is not None and found["blockNumber"] is not None:
                place = int(found["blockNumber"]), _hex(found["blockHash"])
                return Receipt(hash, *place, bool(found["status"]))
        return None

    async def _receipt(self, entry: Entry) -> Receipt | None:
        for attempt in reversed(entry.attempts):
            if (found := await self.receipt(attempt.hash)) is not None:
                return found
        return None

    async def _pooled(self, entry: Entry) -> frozenset[str]:
        from web3.exceptions import TransactionNotFound

        known = set[str]()
        if entry.stage is not Stage.QUEUED:
            for attempt in entry.attempts:
                with suppress(TransactionNotFound):
                    await self._ask("pool", self._web3.eth.get_transaction(attempt.hash))
                    known.add(attempt.hash)
        return frozenset(known)

    async def send(self, raw: str) -> str:
        """Hand a signed transaction over; the node's objection, or what kept it from answering."""
        try:
            await self._ask("send", self._web3.eth.send_raw_transaction(raw))
        except (NodeError, Reverted) as error:
            return str(error)
        return ""

    async def _ask(self, question: str, answer: Awaitable[T]) -> T:
        from web3.exceptions import TransactionNotFound

        try:
            return await answer
        except TransactionNotFound:
            raise
        except Exception as error:
            refused = _refusal(error)
            if refused is not None:
                raise Reverted(refused) from None
            raise NodeError(self._host, question, _kind(error)) from None


def _refusal(error: Exception) -> str | None:
    """The reason where an error is a revert, None where it is anything else."""
    from web3.exceptions import BadFunctionCallOutput, ContractLogicError

    if isinstance(error, ContractLogicError):
        said = reason(error.data if isinstance(error.data, str) else "")
        return said if said != NO_REASON else _worded(error.message)
    if isinstance(error, BadFunctionCallOutput):
        return "no such contract there"
    if type(error).__name__ == "TransactionFailed":  # eth-tester's own
        return _worded(error)
    return None


def _worded(told: object) -> str:
    """A node's own words for a revert, without its preface."""
    text = str(told or "").removeprefix("execution reverted").lstrip(": ")
    return text[:LONGEST_CHARS] or NO_REASON


def _kind(error: Exception) -> str:
    """What may be said of an error: its kind, and the node's own words where it answered."""
    from web3.exceptions import Web3RPCError

    name = type(error).__name__
    if isinstance(error, Web3RPCError) and error.rpc_response is not None:
        told = error.rpc_response.get("error")
        said = told.get("message", "") if isinstance(told, Mapping) else ""
        return f"{name}: {str(said)[:LONGEST_CHARS]}"
    return name


def _hex(value: Any) -> str:
    text = value if isinstance(value, str) else bytes(value).hex()
    return "0x" + text.removeprefix("0x")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return _hex(value)
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value
