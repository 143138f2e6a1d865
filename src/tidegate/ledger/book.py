# SPDX-License-Identifier: Apache-2.0
"""The ledger: every event becomes postings that sum to zero per asset, each with its cause.

Accounts under `own/` are ours, all others stand for the world. A posting's `value_micro` is the
change it makes to the base-currency value of what we own, taken on the running total of the
asset, so values telescope: the fold of values by cause *is* the change of equity, to the
micro-dollar, and there is no residual line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, assert_never

from tidegate.model.account import FLAT, Account, Portfolio, Position, Shipment, fill_position
from tidegate.model.errors import InputError, ensure
from tidegate.model.events import (
    DeficitCovered,
    Delivered,
    Deposited,
    Event,
    Filled,
    FundingPaid,
    LiquidationStarted,
    Marked,
    OrderRefused,
    PenaltyCharged,
    Repriced,
    TransferLanded,
    TransferRefused,
    TransferReturned,
    TransferSent,
    VenueFailed,
    YieldAccrued,
)
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.units import MICRO, unit_quanta

TRANSIT = "own/transit"
# What an event changes, and what one that cannot be posted must leave as it was.
_FOLDED = (
    *("_price_micro", "_totals", "_wallets", "_positions"),
    *("_unrealised", "_shipments", "_given_up", "_left", "_failed"),
)


class Posting(NamedTuple):
    """One side of an entry: `quanta` of an asset (or lots of an instrument) into an account."""

    account: str
    asset: str
    quanta: int
    value_micro: int
    cause: str


class Ledger:
    """Folds events into postings and balances.

    Arguments: instruments by id; the base-currency price of each dollar coin in micro-dollars
    per unit; for each coin that is held outright, the instrument whose mark values it.
    """

    def __init__(
        self,
        instruments: Mapping[InstrumentId, Instrument],
        stable_price_micro: Mapping[str, int],
        coin_marks: Mapping[str, InstrumentId] | None = None,
    ) -> None:
        self._instruments = instruments
        # A dollar that is no coin is the base currency itself.
        self._price_micro = {"USD": MICRO, **stable_price_micro}
        self._coin_of_mark = {mark: coin for coin, mark in (coin_marks or {}).items()}
        for mark, coin in self._coin_of_mark.items():
            settle = instruments[mark].settle
            if settle not in stable_price_micro:
                raise InputError(
                    "ledger", coin, f"expected a mark in dollars, {mark} is in {settle}"
                )
        self._totals: dict[str, int] = {}
        self._wallets: dict[tuple[str, str], int] = {}
        self._positions: dict[InstrumentId, Position] = {}
        self._unrealised: dict[InstrumentId, int] = {}
        self._shipments: dict[str, Shipment] = {}
        self._given_up: dict[str, Shipment] = {}
        # What left with each of both, its fee included: no more of it can come back.
        self._left: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        self._postings: list[Posting] = []
        self.waterfall: dict[str, int] = {}
        self.ts_ms = 0

    def post(self, event: Event) -> tuple[Posting, ...]:
        """Record an event and return its postings; time may not run backwards. An event that raises
        leaves the ledger as it was."""
        ensure(event.ts_ms >= self.ts_ms, "ledger time runs backwards")
        before = {name: dict(getattr(self, name)) for name in _FOLDED}
        self._postings = []
        try:
            self._apply(event)
        except BaseException:
            vars(self).update(before)
            raise
        self.ts_ms = event.ts_ms
        for posting in self._postings:
            if posting.value_micro and posting.account.startswith("own/"):
                total = self.waterfall.get(posting.cause, 0) + posting.value_micro
                self.waterfall[posting.cause] = total
        return tuple(self._postings)

    def _apply(self, event: Event) -> None:
        match event:
            case Filled():
                self._filled(event)
            case FundingPaid():
                self._funded(event)
            case Delivered():
                self._delivered(event)
            case Marked():
                self._marked(event)
            case Repriced():
                self._reprice(event.asset, event.price_micro, "own/dollars", "stable")
            case TransferSent():
                self._sent(event)
            case TransferLanded():
                self._landed(event)
            case TransferReturned():
                self._returned(event)
            case YieldAccrued():
                self._accrued(event)
            case Deposited():
                self._deposited(event)
            case PenaltyCharged():
                self._penalised(event)
            case DeficitCovered():
                self._covered(event)
            case VenueFailed():
                self._fell(event)
            case TransferRefused() | OrderRefused() | LiquidationStarted():
                """Refusals and warnings move nothing."""
            case _:
                assert_never(event)

    @property
    def equity_micro(self) -> int:
        """Base-currency value of everything we own, at the last marks."""
        return sum(self._value(asset, quanta) for asset, quanta in self._totals.items())

    def equity_at(self, marks: Mapping[InstrumentId, int], void: Iterable[str] = ()) -> int:
        """Base-currency value at other marks (ticks), without posting them; shipments that are
        `void` count as nothing."""
        totals = dict(self._totals)
        for shipment in (self._shipments[name] for name in void):
            totals[shipment.asset] -= shipment.quanta
        for name, position in self._positions.items():
            if position.lots:
                instrument = self._instruments[name]
                value = instrument.value(position.lots, marks[name]) - position.cost
                change = value - self._unrealised.get(name, 0)
                totals[instrument.settle] = totals.get(instrument.settle, 0) + change
        prices = {
            coin: self._coin_price(self._instruments[mark], marks[mark])
            for mark, coin in self._coin_of_mark.items()
        }
        return sum(
            self._value(asset, quanta)
            if asset not in prices
            else quanta * prices[asset] // unit_quanta(asset)
            for asset, quanta in totals.items()
        )

    def _coin_price(self, instrument: Instrument, ticks: int) -> int:
        return int(ticks * instrument.tick * self._price_micro[instrument.settle])

    def wallet(self, venue: str, asset: str) -> int:
        """Balance of one asset at one venue, in quanta."""
        return self._wallets.get((venue, asset), 0)

    def position(self, instrument: InstrumentId) -> Position:
        """Lots and cost held in one instrument."""
        return self._positions.get(instrument, FLAT)

    def portfolio(self, venues: tuple[str, ...]) -> Portfolio:
        """The fold of all postings so far, as accounts and shipments."""
        accounts = {venue: self.account(venue) for venue in venues}
        return Portfolio(self.ts_ms, accounts, tuple(self._shipments.values()))

    def worth_micro(self, asset: str, quanta: int) -> int:
        """Base-currency value of quanta of an asset at its last price."""
        return self._value(asset, quanta)

    def knows(self, name: str) -> bool:
        """Whether a contract or an asset can be booked."""
        return name in self._instruments or name in self._price_micro

    @property
    def shipments(self) -> Mapping[str, Shipment]:
        """Money between venues by its transfer's id."""
        return self._shipments

    @property
    def given_up(self) -> Mapping[str, Shipment]:
        """Money between venues that was booked as lost and may still come."""
        return self._given_up

    @property
    def failed(self) -> frozenset[str]:
        """Venues that are gone for good."""
        return frozenset(self._failed)

    def may_land(self, name: str) -> bool:
        """Whether a transfer's money may land: it is between venues, or was given up as lost."""
        return name in self._shipments or name in self._given_up

    def account(self, venue: str) -> Account:
        """The fold of all postings so far at one venue; assets that came and went stand at 0."""
        balances = {a: q for (v, a), q in self._wallets.items() if v == venue}
        held = {
            name: position
            for name, position in self._positions.items()
            if self._instruments[name].venue == venue and position.lots
        }
        return Account(venue, balances, held)

    def _value(self, asset: str, quanta: int) -> int:
        price = self._price_micro.get(asset)
        ensure(price is not None or quanta == 0, f"no price for {asset}")
        return quanta * (price or 0) // unit_quanta(asset)

    def _own(self, account: str, asset: str, quanta: int, cause: str) -> int:
        before = self._totals.get(asset, 0)
        self._totals[asset] = before + quanta
        value = self._value(asset, before + quanta) - self._value(asset, before)
        self._postings.append(Posting(account, asset, quanta, value, cause))
        return value

    def _exchange(self, account: str, other: str, asset: str, quanta: int, cause: str) -> None:
        """Quanta come to our account from the world's `other`."""
        value = self._own(account, asset, quanta, cause)
        self._postings.append(Posting(other, asset, -quanta, -value, cause))

    def _pay_wallet(self, venue: str, other: str, asset: str, quanta: int, cause: str) -> None:
        key = (venue, asset)
        self._wallets[key] = self._wallets.get(key, 0) + quanta
        self._exchange(f"own/{venue}/wallet", other, asset, quanta, cause)

    def _revalue(self, name: InstrumentId, ticks: int) -> None:
        """Bring unrealised profit (or a coin's price) to a mark, by cause of the coin's price."""
        instrument = self._instruments[name]
        coin = self._coin_of_mark.get(name)
        if coin is not None:
            self._revalue_coin(coin, instrument, ticks)
        position = self._positions.get(name, FLAT)
        if position.lots == 0:
            return
        target = instrument.value(position.lots, ticks) - position.cost
        change = target - self._unrealised.get(name, 0)
        if change:
            self._change_unrealised(name, change, f"price:{instrument.base}")

    def _change_unrealised(self, name: InstrumentId, change: int, cause: str) -> None:
        instrument = self._instruments[name]
        venue = instrument.venue
        self._unrealised[name] = self._unrealised.get(name, 0) + change
        account = f"own/{venue}/unrealised"
        self._exchange(account, f"market/{venue}", instrument.settle, change, cause)

    def _revalue_coin(self, coin: str, instrument: Instrument, ticks: int) -> None:
        self._reprice(coin, self._coin_price(instrument, ticks), "own/coins", "price")

    def _reprice(self, asset: str, price_micro: int, account: str, cause: str) -> None:
        """All that is held of an asset changes its value; quanta stay where they are."""
        total = self._totals.get(asset, 0)
        before = self._value(asset, total)
        self._price_micro[asset] = price_micro
        change = self._value(asset, total) - before
        if change:
            other = account.replace("own/", "market/")
            named = f"{cause}:{asset}"
            self._postings.append(Posting(account, asset, 0, change, named))
            self._postings.append(Posting(other, asset, 0, -change, named))

    def _deposited(self, event: Deposited) -> None:
        self._pay_wallet(event.venue, "capital", event.asset, event.quanta, "capital")

    def _marked(self, event: Marked) -> None:
        # In the ledger's own order: a mapping that was written down has lost its own. The mark of
        # an index is among them for margin's sake; nobody holds an index.
        for name in self._instruments:
            if name in event.ticks:
                self._revalue(name, event.ticks[name])

    def _filled(self, event: Filled) -> None:
        instrument = self._instruments[event.instrument]
        self._revalue(event.instrument, event.mid_ticks)
        self._post_lots(instrument, event.lots, "trade")
        if isinstance(instrument, Spot):
            self._fill_spot(instrument, event)
        else:
            self._fill_contract(instrument, event)
        self._pay_fee(instrument, event.fee_quanta)

    def _pay_fee(self, instrument: Instrument, quanta: int) -> None:
        venue = instrument.venue
        self._pay_wallet(venue, f"fees/{venue}", instrument.settle, -quanta, "fees")

    def _post_lots(self, instrument: Instrument, lots: int, cause: str) -> None:
        venue = instrument.venue
        self._postings.append(Posting(f"own/{venue}/position", instrument.id, lots, 0, cause))
        self._postings.append(Posting(f"market/{venue}", instrument.id, -lots, 0, cause))

    def _fill_spot(self, instrument: Spot, event: Filled) -> None:
        venue, market = instrument.venue, f"market/{instrument.venue}"
        at_mid = instrument.value(event.lots, event.mid_ticks)
        paid = instrument.entry_cost(event.lots, event.ticks)
        rest = paid - at_mid - event.spread_quanta - event.impact_quanta
        base = instrument.base_quanta(event.lots)
        self._pay_wallet(venue, market, instrument.base, base, "trade")
        self._pay_wallet(venue, market, instrument.settle, -at_mid, "trade")
        self._pay_wallet(venue, market, instrument.settle, -event.spread_quanta, "spread")
        self._pay_wallet(venue, market, instrument.settle, -event.impact_quanta, "impact")
        if rest:
            self._pay_wallet(venue, market, instrument.settle, -rest, "rounding")

    def _fill_contract(self, instrument: Instrument, event: Filled) -> None:
        name, venue = instrument.id, instrument.venue
        before = self._positions.get(name, FLAT)
        cost = instrument.entry_cost(event.lots, event.ticks)
        outcome = fill_position(before, event.lots, cost)
        after = outcome.position
        self._positions[name] = after
        slip = (
            cost
            - instrument.value(after.lots, event.mid_ticks)
            + instrument.value(before.lots, event.mid_ticks)
        )
        self._change_unrealised(name, -event.spread_quanta, "spread")
        self._change_unrealised(name, -event.impact_quanta, "impact")
        rest = slip - event.spread_quanta - event.impact_quanta
        if rest:
            self._change_unrealised(name, -rest, "rounding")
        if outcome.realised_quanta:
            self._realise(instrument, venue, outcome.realised_quanta)

    def _delivered(self, event: Delivered) -> None:
        """What the delivery pays beyond the last mark has its own cause; then all is in the wallet
        and the position is gone."""
        instrument, held = self._instruments[event.instrument], self.position(event.instrument)
        ensure(held.lots == event.lots, f"{instrument.id}: other lots are delivered than are held")
        profit = event.quanta - held.cost
        change = profit - self._unrealised.get(instrument.id, 0)
        self._post_lots(instrument, -event.lots, "delivery")
        if change:
            self._change_unrealised(instrument.id, change, "delivery")
        if profit:
            self._realise(instrument, instrument.venue, profit)
        self._positions[instrument.id] = FLAT
        self._pay_fee(instrument, event.fee_quanta)

    def _realise(self, instrument: Instrument, venue: str, quanta: int) -> None:
        """Profit moves from the open position's account into the wallet, where it can leave."""
        asset = instrument.settle
        self._unrealised[instrument.id] -= quanta
        self._own(f"own/{venue}/unrealised", asset, -quanta, "realised")
        self._wallets[venue, asset] = self._wallets.get((venue, asset), 0) + quanta
        self._own(f"own/{venue}/wallet", asset, quanta, "realised")

    def _funded(self, event: FundingPaid) -> None:
        instrument = self._instruments[event.instrument]
        cause = f"funding:{instrument.base}"
        venue = instrument.venue
        self._pay_wallet(venue, f"funding/{venue}", instrument.settle, -event.quanta, cause)

    def _sent(self, event: TransferSent) -> None:
        ensure(not self.may_land(event.id), f"shipment {event.id} is under way already")
        key = (event.source, event.asset)
        self._wallets[key] = self._wallets.get(key, 0) - event.quanta
        rest = event.quanta - event.fee_quanta
        self._own(f"own/{event.source}/wallet", event.asset, -rest, "transfer")
        self._own(TRANSIT, event.asset, rest, "transfer")
        account = f"own/{event.source}/wallet"
        self._exchange(account, "carriers", event.asset, -event.fee_quanta, "transfer fees")
        self._shipments[event.id] = Shipment(
            event.id, event.source, event.destination, event.asset, rest, event.ts_ms
        )
        self._left[event.id] = event.quanta

    def _landed(self, event: TransferLanded) -> None:
        """What is lost on the way, for instance to a fee that was not known, is its own cost."""
        shipment = self._arrived(event.id)
        ensure(shipment.quanta == event.quanta_sent, "a shipment landed with another amount")
        ensure(shipment.asset == event.asset_sent, "a shipment landed in another asset")
        ensure(shipment.destination == event.destination, "a shipment landed elsewhere")
        ensure(event.quanta >= 0, "a shipment landed with less than nothing")
        if event.asset == event.asset_sent:
            lost = event.quanta_sent - event.quanta
            ensure(lost >= 0, "an unconverted shipment landed with more than was sent")
            self._own(TRANSIT, event.asset, -event.quanta, "transfer")
            self._wallets[event.destination, event.asset] = (
                self.wallet(event.destination, event.asset) + event.quanta
            )
            self._own(f"own/{event.destination}/wallet", event.asset, event.quanta, "transfer")
            if lost:
                self._exchange(TRANSIT, "carriers", event.asset, -lost, "lost in transit")
            return
        self._exchange(TRANSIT, "conversion", event.asset_sent, -event.quanta_sent, "conversion")
        self._pay_wallet(event.destination, "conversion", event.asset, event.quanta, "conversion")

    def _arrived(self, name: str) -> Shipment:
        """A shipment that is under way no more; one that was given up is no loss after all."""
        ensure(self.may_land(name), f"shipment {name} is not under way")
        self._left.pop(name)
        if name in self._shipments:
            return self._shipments.pop(name)
        found = self._given_up.pop(name)
        self._exchange(TRANSIT, "carriers", found.asset, found.quanta, "lost in transit")
        return found

    def _returned(self, event: TransferReturned) -> None:
        """The shipment ends where it began; a fee that is back with it takes from the fees. One of
        which nothing is back is given up, and may still come."""
        left = self._left.get(event.id, 0)
        shipment = self._arrived(event.id)
        ensure(shipment.source == event.venue, "a shipment returned elsewhere")
        ensure(shipment.asset == event.asset, "a shipment returned in another asset")
        ensure(event.quanta >= 0, "a shipment returned with less than nothing")
        ensure(event.quanta <= left, "a shipment returned with more than had left")
        if event.quanta == 0:
            self._given_up[event.id], self._left[event.id] = shipment, left
        key, whole = (event.venue, event.asset), min(event.quanta, shipment.quanta)
        self._wallets[key] = self.wallet(*key) + whole
        self._own(TRANSIT, event.asset, -whole, "transfer")
        self._own(f"own/{event.venue}/wallet", event.asset, whole, "transfer")
        if lost := shipment.quanta - whole:
            self._exchange(TRANSIT, "carriers", event.asset, -lost, "lost in transit")
        if refunded := event.quanta - whole:
            self._pay_wallet(event.venue, "carriers", event.asset, refunded, "transfer fees")

    def _accrued(self, event: YieldAccrued) -> None:
        self._pay_wallet(event.venue, "interest", event.asset, event.quanta, "yield")

    def _penalised(self, event: PenaltyCharged) -> None:
        account = f"insurance/{event.venue}"
        self._pay_wallet(event.venue, account, event.asset, -event.quanta, event.cause)

    def _covered(self, event: DeficitCovered) -> None:
        account = f"insurance/{event.venue}"
        self._pay_wallet(event.venue, account, event.asset, event.quanta, "deficit covered")

    def _fell(self, event: VenueFailed) -> None:
        """Positions are brought to the venue's last marks and end there; then all that is left of
        the wallets, profit included, is lost. It must be what the event says, to the quantum."""
        venue = event.venue
        for name in self._instruments:
            if name in event.ticks:
                self._revalue(name, event.ticks[name])
        for name in [n for n, p in self._positions.items() if p.lots]:
            if self._instruments[name].venue == venue:
                self._void(self._instruments[name])
        wallets = {a: q for (v, a), q in self._wallets.items() if v == venue and q}
        ensure(wallets == event.lost, f"{venue}: the ledger lost {wallets}, and not {event.lost}")
        for asset, quanta in wallets.items():
            self._pay_wallet(venue, f"estate/{venue}", asset, -quanta, "venue failed")
        self._failed[venue] = event.ts_ms

    def _void(self, instrument: Instrument) -> None:
        """A position that is held no more, its profit still a claim."""
        name = instrument.id
        self._post_lots(instrument, -self._positions[name].lots, "venue failed")
        if profit := self._unrealised.get(name, 0):
            self._realise(instrument, instrument.venue, profit)
        self._positions[name] = FLAT
