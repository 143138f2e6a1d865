# SPDX-License-Identifier: Apache-2.0
"""Hyperliquid's perpetuals: info and exchange endpoints (its documentation of November 2026).

Orders are limits of kind Ioc with a `cloid` and `expiresAfter`, so that what comes after its
approval's expiry is refused there, and a cloid that is unknown after that will never be known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Deposited, Event, Filled, FillReason, FundingPaid, TransferSent
from tidegate.model.instruments import Contract
from tidegate.model.replies import (
    Armed,
    ArmReply,
    Device,
    Entry,
    NotTaken,
    OrderReply,
    OrderState,
    OrderStatus,
    TransferReply,
    TransferStatus,
    Unclear,
)
from tidegate.model.times import SECOND_MS
from tidegate.model.units import RATE_E12, asset_decimals, claim_to_quanta, cost_to_quanta
from tidegate.venues.exchanges.account_talk import HyperliquidAccountTalk
from tidegate.venues.exchanges.client import Client, Unheard, VenueRefused, asked
from tidegate.venues.exchanges.order_ids import client_id
from tidegate.venues.exchanges.session import (
    Held,
    News,
    OffTheGrid,
    Venue,
    after_acting,
    whole,
)

SWITCH_LEAST_S, SWITCH_MOST_S = 5, 86_400
PAGE = 2_000
# Arbitrum Sepolia's, which ccxt signs under on either chain.
SIGNATURE_CHAIN = "0x66eee"
UNREADABLE = (msgspec.ValidationError, ArithmeticError)


class _Fill(msgspec.Struct, frozen=True):
    coin: str
    px: Decimal
    sz: Decimal
    side: str
    time: int
    fee: Decimal
    oid: int
    tid: int
    dir: str = ""
    cloid: str | None = None
    liquidation: dict[str, Any] | None = None


class _Funded(msgspec.Struct, frozen=True, rename="camel"):
    coin: str
    usdc: Decimal
    szi: Decimal
    funding_rate: Decimal


class _FundedAt(msgspec.Struct, frozen=True):
    time: int
    delta: _Funded


class _Moved(msgspec.Struct, frozen=True):
    type: str
    usdc: Decimal | None = None
    fee: Decimal = Decimal(0)
    nonce: int | None = None


class _MovedAt(msgspec.Struct, frozen=True):
    time: int
    hash: str
    delta: _Moved


class _Position(msgspec.Struct, frozen=True):
    coin: str
    szi: Decimal


class _Asset(msgspec.Struct, frozen=True):
    position: _Position


class _Summary(msgspec.Struct, frozen=True, rename="camel"):
    total_raw_usd: Decimal


class _State(msgspec.Struct, frozen=True, rename="camel"):
    margin_summary: _Summary
    asset_positions: list[_Asset]
    time: int


class _Open(msgspec.Struct, frozen=True):
    coin: str
    cloid: str | None = None
    oid: int = 0


class _OrderTerms(msgspec.Struct, frozen=True, rename="camel"):
    sz: Decimal
    orig_sz: Decimal
    side: str


class _Known(msgspec.Struct, frozen=True, rename="camel"):
    order: _OrderTerms
    status: str
    status_timestamp: int


class _Asked(msgspec.Struct, frozen=True):
    order: _Known


_STATES: Mapping[str, OrderState] = {"open": "working", "filled": "filled", "rejected": "refused"}


class HyperliquidSession:
    """One account's session; `client` is ccxt's, with a wallet and a key to sign by."""

    def __init__(self, client: Client, venue: Venue) -> None:
        self._client, self.venue = client, venue

    def now_ms(self) -> int | Unclear:
        """The venue's time."""
        state = self._state()
        return state if isinstance(state, Unclear) else state.time

    def mid(self, symbol: str) -> Decimal | NotTaken | Unclear:
        """The middle of the book of one coin."""
        mids = self._info(dict[str, Decimal], type="allMids")
        if isinstance(mids, NotTaken | Unclear):
            return mids
        return mids.get(symbol) or Unclear(f"no middle for {symbol}")

    def place(self, order: Order, limit: Decimal, expires_ms: int) -> OrderReply:
        """An Ioc limit at `limit`, which the venue refuses after `expires_ms`."""
        contract = self._contract(order)
        side = "buy" if order.lots > 0 else "sell"
        size = f"{abs(order.lots) * contract.lot:f}"
        terms = {"clientOrderId": client_id("hyperliquid", order.id), "timeInForce": "ioc"}
        if loaded := self._loaded():
            return loaded
        client = self._client
        request = client.create_order_request(
            self._market(contract.symbol), "limit", side, size, f"{limit:f}",
            {**terms, "reduceOnly": order.reduce_only},
        )  # fmt: skip
        action = {"type": "order", "orders": [request], "grouping": "na"}
        try:
            reply = self._act(action, expires_ms)
        except VenueRefused as error:
            return OrderStatus(order.id, "refused", 0, expires_ms, str(error))
        if isinstance(reply, NotTaken | Unclear):
            return reply
        # The reply names sizes as texts of its own; the order's own record is asked instead.
        return after_acting(self.order(order.id, contract.symbol))

    def cancel(self, order: str, symbol: str) -> OrderReply:
        """Cancel by cloid; the order's state thereafter."""
        if loaded := self._loaded():
            return loaded
        asset = int(self._client.market(self._market(symbol))["baseId"])
        cancel = {"asset": asset, "cloid": client_id("hyperliquid", order)}
        try:
            reply = self._act({"type": "cancelByCloid", "cancels": [cancel]}, None)
        except VenueRefused:
            # It works no more, or never did: its record says which.
            return after_acting(self.order(order, symbol))
        if isinstance(reply, NotTaken | Unclear):
            return reply
        return after_acting(self.order(order, symbol))

    def order(self, order: str, symbol: str) -> OrderReply:
        """The record of a cloid; `absent` at the venue's time where there is none."""
        wanted = client_id("hyperliquid", order)
        try:
            found = self._info(_Asked, type="orderStatus", user=self._user(), oid=wanted)
        except Unheard:
            now_ms = self.now_ms()
            if isinstance(now_ms, Unclear):
                return now_ms
            return OrderStatus(order, "absent", 0, now_ms)
        if isinstance(found, NotTaken | Unclear):
            return found
        known = found.order
        filled = known.order.orig_sz - known.order.sz
        lots = int(filled / self.venue.contracts[symbol].lot)
        signed = lots if known.order.side == "B" else -lots
        state = _STATES.get(known.status, "cancelled")
        # A cancellation is for good once it was told for a while, by the venue's time.
        now_ms = self.now_ms() if state == "cancelled" else known.status_timestamp
        if isinstance(now_ms, Unclear):
            return now_ms
        return OrderStatus(order, state, signed, now_ms, known.status)

    def ticket(self) -> str:
        """A nonce, under which the venue does nothing twice."""
        return str(self._client.incrementing_nonce())

    def send(self, transfer: Transfer, address: str, ticket: str) -> TransferReply:
        """Withdraw USDC over the bridge to an address (`withdraw3`) under the nonce of a ticket."""
        amount = f"{Decimal(transfer.quanta).scaleb(-asset_decimals(transfer.asset)):f}"
        chain = "Testnet" if self._client.options.get("sandboxMode") else "Mainnet"
        terms = {"hyperliquidChain": chain, "destination": address, "amount": amount}
        terms |= {"time": int(ticket)}  # type: ignore[dict-item]
        action = {**terms, "type": "withdraw3", "signatureChainId": SIGNATURE_CHAIN}
        signature = self._client.build_withdraw_sig(terms)
        request = {"action": action, "nonce": int(ticket), "signature": signature}
        try:
            reply = asked(lambda: self._client.privatePostExchange(request))
        except VenueRefused as error:
            return TransferStatus(transfer.id, "refused", int(ticket), str(error))
        if isinstance(reply, NotTaken | Unclear):
            return reply
        now_ms = self.now_ms()
        if isinstance(now_ms, Unclear):
            return now_ms
        return TransferStatus(transfer.id, "accepted", now_ms)

    def news(
        self, since_ms: int, ours: Mapping[str, str], known: Sequence[Entry] = ()
    ) -> tuple[News, ...] | Unclear:
        """Fills, funding, and money that came or left; a page that is full is gone on with."""
        found: list[News] = []
        readers: tuple[tuple[str, Any, Callable[[Any], News | None]], ...] = (
            ("userFillsByTime", list[_Fill], lambda fill: self._filled(fill, ours)),
            ("userFunding", list[_FundedAt], self._funded),
            ("userNonFundingLedgerUpdates", list[_MovedAt], lambda row: self._moved(row, ours)),
        )
        for kind, wanted, read in readers:
            rows = self._pages(kind, wanted, since_ms)
            if isinstance(rows, Unclear):
                return rows
            try:
                found += [news for news in map(read, rows) if news is not None]
            except OffTheGrid as error:
                return Unclear(str(error))
        return tuple(sorted(found, key=lambda news: news.event.ts_ms))

    def held(self) -> Held | Unclear:
        """Lots, and `totalRawUsd`: equity less the value of all positions."""
        state = self._state()
        working = self._info(list[_Open], type="openOrders", user=self._user())
        for reply in (state, working):
            if isinstance(reply, NotTaken | Unclear):
                return Unclear(reply.reason)
        assert isinstance(state, _State)
        assert isinstance(working, list)
        contracts = self.venue.contracts
        positions = [asset.position for asset in state.asset_positions]
        strange = [p.coin for p in positions if p.szi and p.coin not in contracts]
        lots = {
            p.coin: int(p.szi / contracts[p.coin].lot) for p in positions if p.coin in contracts
        }
        cash = claim_to_quanta(state.margin_summary.total_raw_usd, self.venue.collateral)
        names = tuple(order.cloid or str(order.oid) for order in working)
        return Held(state.time, lots | dict.fromkeys(strange, 1), cash, names)

    def device(self) -> Device:
        """`scheduleCancel`: at least five seconds ahead."""
        return Device(self.venue.name, SWITCH_LEAST_S, SWITCH_MOST_S, cancels_protective=True)

    def arm(self, seconds: int) -> ArmReply:
        """Schedule the cancelling of everything, or lift it with 0."""
        now_ms = self.now_ms()
        if isinstance(now_ms, Unclear):
            return now_ms
        until_ms = now_ms + seconds * SECOND_MS if seconds else None
        action = {"type": "scheduleCancel"} | ({"time": until_ms} if until_ms else {})
        try:
            reply = self._act(action, None)
        except VenueRefused as error:
            return NotTaken(str(error))
        if isinstance(reply, NotTaken | Unclear):
            return reply
        return Armed(self.venue.name, until_ms, now_ms)

    def talk(self) -> HyperliquidAccountTalk:
        """Orders and events of the account."""
        return HyperliquidAccountTalk(self._user())

    def _user(self) -> str:
        return str(self._client.walletAddress)

    def _contract(self, order: Order) -> Contract:
        return self.venue.contracts[order.instrument.partition(":")[2]]

    def _market(self, symbol: str) -> str:
        return f"{symbol}/USDC:USDC"

    def _loaded(self) -> NotTaken | None:
        """None once the venue's list of coins is known; without it nothing can be sent."""
        if self._client.markets is None:
            reply = asked(self._client.load_markets)
            if isinstance(reply, NotTaken | Unclear):
                return NotTaken(f"list of coins: {reply.reason}")
        return None

    def _act(self, action: Mapping[str, Any], expires_ms: int | None) -> Any:
        client = self._client
        nonce = client.incrementing_nonce()
        request: dict[str, Any] = {"action": action, "nonce": nonce}
        request["signature"] = client.sign_l1_action(action, nonce, None, expires_ms)
        if expires_ms is not None:
            request["expiresAfter"] = expires_ms
        return asked(lambda: client.privatePostExchange(request))

    def _info(self, wanted: Any, **request: Any) -> Any:
        try:
            reply = asked(lambda: self._client.publicPostInfo(request))
        except Unheard:
            raise
        except VenueRefused as error:
            return Unclear(str(error))
        if isinstance(reply, NotTaken | Unclear):
            return reply
        try:
            return msgspec.convert(reply, wanted, strict=False)
        except UNREADABLE as error:
            return Unclear(f"{request['type']}: {error}")

    def _state(self) -> _State | Unclear:
        state = self._info(_State, type="clearinghouseState", user=self._user())
        return Unclear(state.reason) if isinstance(state, NotTaken) else state

    def _pages(self, kind: str, wanted: Any, since_ms: int) -> list[Any] | Unclear:
        rows: list[Any] = []
        while True:
            page = self._info(wanted, type=kind, user=self._user(), startTime=since_ms)
            if isinstance(page, NotTaken | Unclear):
                return Unclear(page.reason)
            rows += page
            if len(page) < PAGE or page[-1].time <= since_ms:
                return rows
            # The last millisecond comes again; what is known twice is told apart by its source.
            since_ms = page[-1].time

    def _filled(self, fill: _Fill, ours: Mapping[str, str]) -> News | None:
        contract = self.venue.contracts.get(fill.coin)
        if contract is None:
            return None
        lots = whole(fill.sz, contract.lot) * (1 if fill.side == "B" else -1)
        ticks = whole(fill.px, contract.tick)
        reason: FillReason = "liquidation" if fill.liquidation else "order"
        if "Deleveraging" in fill.dir:
            reason = "deleveraging"
        order = ours.get(fill.cloid or "", f"hyperliquid {fill.oid}")
        fee = cost_to_quanta(fill.fee, contract.settle)
        event = Filled(fill.time, contract.id, lots, ticks, ticks, fee, 0, 0, order, reason)
        return News(f"fill {fill.tid}", event)

    def _funded(self, row: _FundedAt) -> News | None:
        paid = row.delta
        contract = self.venue.contracts.get(paid.coin)
        if contract is None:
            return None
        lots, rate_e12 = int(paid.szi / contract.lot), int(paid.funding_rate * RATE_E12)
        # The venue states no price with a payment; what it paid on follows from its own figures.
        base = paid.szi * paid.funding_rate * contract.tick
        ticks = int(abs(paid.usdc / base)) if base else 0
        quanta = cost_to_quanta(-paid.usdc, contract.settle)
        event = FundingPaid(row.time, contract.id, lots, ticks, rate_e12, quanta)
        return News(f"funding {paid.coin} {row.time}", event)

    def _moved(self, row: _MovedAt, ours: Mapping[str, str]) -> News | None:
        moved, venue = row.delta, self.venue
        if moved.usdc is None:
            return None
        event: Event
        if moved.type == "deposit":
            quanta = claim_to_quanta(moved.usdc, venue.collateral)
            event = Deposited(row.time, venue.name, venue.collateral, quanta)
        elif moved.type == "withdraw":
            fee = cost_to_quanta(moved.fee, venue.collateral)
            quanta = cost_to_quanta(moved.usdc, venue.collateral) + fee
            name = ours.get(str(moved.nonce), f"hyperliquid withdraw {moved.nonce}")
            event = TransferSent(row.time, name, venue.name, "", venue.collateral, quanta, fee)
        else:
            return None
        return News(f"{moved.type} {row.hash} {row.time}", event)
