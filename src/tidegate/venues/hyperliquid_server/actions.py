# SPDX-License-Identifier: Apache-2.0
"""What may be posted to /exchange, read strictly.

Fields stand in the venue's own order, because a signature covers the action in that order, whatever
the order in which it was sent. Source: hyperliquid.gitbook.io, Exchange endpoint and Signing
(stored copies read in November 2026).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
# What goes into 64 bits of a hash.
Time = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Amount = Annotated[str, Meta(min_length=1, max_length=80)]
Address = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{40}$")]
Cloid = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{32}$")]
Hexadecimal = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{1,64}$")]
Chain = Literal["Mainnet", "Testnet"]
BATCH_MAX = 1000


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Signature(_Part, frozen=True):
    """A signature by secp256k1 with the bit that recovers its key."""

    r: Hexadecimal
    s: Hexadecimal
    v: Literal[0, 1, 27, 28]


class Envelope(msgspec.Struct, frozen=True):
    """The whole body; fields that are not known are let through, as the venue does."""

    action: msgspec.Raw
    nonce: Time
    signature: Signature
    vaultAddress: str | None = None
    expiresAfter: Time | None = None


class Kind(msgspec.Struct, frozen=True):
    """What an action says it is."""

    type: Annotated[str, Meta(max_length=64)]


class Limit(_Part, frozen=True):
    """Time in force of a limit order."""

    tif: Literal["Alo", "Ioc", "Gtc"]


class Trigger(_Part, frozen=True):
    """Price at which an order would become one."""

    isMarket: bool
    triggerPx: Amount
    tpsl: Literal["tp", "sl"]


class OrderType(_Part, frozen=True):
    """One of the two."""

    limit: Limit | UnsetType = UNSET
    trigger: Trigger | UnsetType = UNSET


class OrderWire(_Part, frozen=True):
    """One order: asset, whether it buys, price, size, reduce only, type, client's id."""

    a: Number
    b: bool
    p: Amount
    s: Amount
    r: bool
    t: OrderType
    c: Cloid | UnsetType = UNSET


class Builder(_Part, frozen=True):
    """Who asks for a fee, in tenths of a basis point."""

    b: Address
    f: Number


class Priority(_Part, frozen=True):
    """A fee for coming first, which is not offered here."""

    p: Number


class CancelWire(_Part, frozen=True):
    """One cancel by the venue's number."""

    a: Number
    o: Number


class CloidWire(_Part, frozen=True):
    """One cancel by the client's id."""

    asset: Number
    cloid: Cloid


class ModifyWire(_Part, frozen=True):
    """An order in the place of another."""

    oid: Number | Cloid
    order: OrderWire


class _Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class PlaceOrders(_Action, frozen=True, tag="order"):
    """New orders."""

    orders: Annotated[tuple[OrderWire, ...], Meta(min_length=1, max_length=BATCH_MAX)]
    grouping: Literal["na", "normalTpsl", "positionTpsl"] | Priority
    builder: Builder | UnsetType = UNSET


class CancelOrders(_Action, frozen=True, tag="cancel"):
    """Cancels by number."""

    cancels: Annotated[tuple[CancelWire, ...], Meta(min_length=1, max_length=BATCH_MAX)]


class CancelCloids(_Action, frozen=True, tag="cancelByCloid"):
    """Cancels by client's id."""

    cancels: Annotated[tuple[CloidWire, ...], Meta(min_length=1, max_length=BATCH_MAX)]


class ModifyOrder(_Action, frozen=True, tag="modify"):
    """One order in the place of another."""

    oid: Number | Cloid
    order: OrderWire


class ModifyOrders(_Action, frozen=True, tag="batchModify"):
    """Orders in the place of others."""

    modifies: Annotated[tuple[ModifyWire, ...], Meta(min_length=1, max_length=BATCH_MAX)]


class ScheduleCancel(_Action, frozen=True, tag="scheduleCancel"):
    """Cancel everything at a time, unless it is set anew; without a time: never."""

    time: Time | UnsetType = UNSET


class UpdateLeverage(_Action, frozen=True, tag="updateLeverage"):
    """Another leverage of one asset."""

    asset: Number
    isCross: bool
    leverage: Annotated[int, Meta(ge=1, le=1000)]


class UpdateIsolatedMargin(_Action, frozen=True, tag="updateIsolatedMargin"):
    """More or less margin of an isolated position, in micro-dollars."""

    asset: Number
    isBuy: bool
    ntli: Annotated[int, Meta(ge=-(2**62), le=2**62)]


class SetReferrer(_Action, frozen=True, tag="setReferrer"):
    """Who sent the user here."""

    code: Annotated[str, Meta(max_length=64)]


class Noop(_Action, frozen=True, tag="noop"):
    """Nothing, but its nonce is used."""


class SubAccountTransfer(_Action, frozen=True, tag="subAccountTransfer"):
    """Money between the user and a subaccount of his."""

    subAccountUser: Address
    isDeposit: bool
    usd: Number


class _Wallet(_Action, frozen=True, kw_only=True):
    """Signed field by field, so that a wallet can show it."""

    hyperliquidChain: Chain
    signatureChainId: Hexadecimal


class UsdClassTransfer(_Wallet, frozen=True, kw_only=True, tag="usdClassTransfer"):
    """Dollars between the spot and the perpetuals' wallet of one user."""

    amount: Amount
    toPerp: bool
    nonce: Time


class UsdSend(_Wallet, frozen=True, kw_only=True, tag="usdSend"):
    """Dollars to another user."""

    destination: Address
    amount: Amount
    time: Time


class SendAsset(_Wallet, frozen=True, kw_only=True, tag="sendAsset"):
    """A token from one wallet of a user to a wallet of another or the same."""

    destination: Address
    sourceDex: Annotated[str, Meta(max_length=32)]
    destinationDex: Annotated[str, Meta(max_length=32)]
    token: Annotated[str, Meta(max_length=80)]
    amount: Amount
    fromSubAccount: Annotated[str, Meta(max_length=42)]
    nonce: Time


class Withdraw(_Wallet, frozen=True, kw_only=True, tag="withdraw3"):
    """Dollars to the chain."""

    destination: Address
    amount: Amount
    time: Time


class ApproveAgent(_Wallet, frozen=True, kw_only=True, tag="approveAgent"):
    """A key that may sign orders for the user."""

    agentAddress: Address
    agentName: Annotated[str, Meta(max_length=64)] = ""
    nonce: Time


class ApproveBuilderFee(_Wallet, frozen=True, kw_only=True, tag="approveBuilderFee"):
    """The most that a builder may ask for."""

    maxFeeRate: Annotated[str, Meta(max_length=32)]
    builder: Address
    nonce: Time


Hashed = (
    PlaceOrders
    | CancelOrders
    | CancelCloids
    | ModifyOrder
    | ModifyOrders
    | ScheduleCancel
    | UpdateLeverage
    | UpdateIsolatedMargin
    | SetReferrer
    | Noop
    | SubAccountTransfer
)
Shown = UsdClassTransfer | UsdSend | SendAsset | Withdraw | ApproveAgent | ApproveBuilderFee
Action = Hashed | Shown
SHOWN = (UsdClassTransfer, UsdSend, SendAsset, Withdraw, ApproveAgent, ApproveBuilderFee)

# The venue knows these; here they are refused in its own form, whoever signs.
UNOFFERED = frozenset(
    """
    agentEnableDexAbstraction agentSetAbstraction borrowLend cDeposit cWithdraw claimRewards
    convertToMultiSigUser createSubAccount createVault evmUserModify linkStakingUser multiSig
    perpDeploy registerReferrer reserveRequestWeight setDisplayName spotDeploy spotSend
    subAccountModify subAccountSpotTransfer tokenDelegate topUpIsolatedOnlyMargin twapCancel
    twapOrder userDexAbstraction userPortfolioMargin userSetAbstraction usePortfolioMargin
    validatorL1Stream vaultDistribute vaultModify vaultTransfer
    """.split()
)

_envelopes = msgspec.json.Decoder(Envelope)
_kinds = msgspec.json.Decoder(Kind)
_actions: msgspec.json.Decoder[Action] = msgspec.json.Decoder(Action)


class Unoffered(msgspec.Struct, frozen=True):
    """An action that the venue has and this one refuses."""

    type: str


def read_envelope(body: bytes) -> tuple[Envelope, Action | Unoffered]:
    """A body and its action; raises what `tidegate.model.parsing.UNREADABLE_JSON` names."""
    envelope = _envelopes.decode(body)
    kind = _kinds.decode(envelope.action).type
    if kind in UNOFFERED:
        return envelope, Unoffered(kind)
    return envelope, _actions.decode(envelope.action)
