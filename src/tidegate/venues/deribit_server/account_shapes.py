# SPDX-License-Identifier: Apache-2.0
"""An account in Deribit's words: orders, trades, positions, summaries, transfers.

Fields are those of docs.deribit.com (private methods, read in November 2026). Money is exact:
balance, and what contracts brought in the running session, realised and not, are the margin
balance, and with the value of options the equity, as in the venue's own example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tidegate.model.account import FLAT, Position
from tidegate.model.instruments import Instrument, Option
from tidegate.venues.deribit_server.contracts import VENUES
from tidegate.venues.deribit_server.figures import (
    amount,
    contract_size,
    money,
    price,
    shown,
)
from tidegate.venues.deribit_server.liquidation import liquidation_ticks
from tidegate.venues.deribit_server.market_shapes import (
    LEVERAGE,
    MarketShapes,
    Shape,
    kind,
    settled_ms,
)
from tidegate.venues.deribit_server.settlements import Settlements
from tidegate.venues.street.account import StreetAccount
from tidegate.venues.street.exchange import average_ticks
from tidegate.venues.street.street import Street
from tidegate.venues.street.values import Fill, OrderState

IN_FORCE = {"gtc": "good_til_cancelled", "ioc": "immediate_or_cancel", "fok": "fill_or_kill"}
GREEKS = ("delta", "gamma", "vega", "theta")
CANCEL_REASONS = {"asked for": "user_request", "by the venue": "risk"}


@dataclass(frozen=True, slots=True)
class _Sums:
    """Of the positions of one wallet, in quanta: options' value, unrealised profit of options and
    of the rest, premiums paid; and Greeks by index."""

    options_value: int
    options_pl: int
    futures_pl: int
    premiums: int
    greeks: dict[str, dict[str, float]]
    deltas: dict[str, float]

    def all_deltas(self) -> dict[str, float]:
        """Coins by index, options' with the rest."""
        names = sorted({*self.deltas, *self.greeks})
        none = {"delta": 0.0}
        return {n: self.deltas.get(n, 0.0) + self.greeks.get(n, none)["delta"] for n in names}


class AccountShapes:
    """The street's accounts as Deribit shows them."""

    def __init__(
        self,
        street: Street,
        market: MarketShapes,
        users: Mapping[str, int],
        settlements: Settlements,
    ) -> None:
        self._street, self._market, self._users = street, market, users
        self._settlements = settlements

    def order_id(self, account: StreetAccount, state: OrderState) -> str:
        """As Deribit writes ids: the currency and a number."""
        return f"{self._known(state.order.symbol).settle}-{state.id}"

    def order(self, account: StreetAccount, state: OrderState) -> Shape:
        """An order."""
        new, one = state.order, self._known(state.order.symbol)
        mean = state.average_ticks
        shape: Shape = {
            "order_id": self.order_id(account, state),
            "user_id": self._users[account.key],
            "order_state": state.state,
            "order_type": "market" if new.ticks is None else "limit",
            "instrument_name": new.symbol,
            "direction": "buy" if new.lots > 0 else "sell",
            "amount": amount(one, abs(new.lots)),
            "contracts": amount(one, abs(new.lots)) / contract_size(one),
            "filled_amount": amount(one, abs(state.filled_lots)),
            "average_price": shown(mean * Fraction(one.tick)) if mean else Decimal(0),
            "price": "market_price" if new.ticks is None else price(one, new.ticks),
            "time_in_force": IN_FORCE[new.in_force],
            "post_only": new.post_only,
            "reject_post_only": False,
            "reduce_only": new.reduce_only,
            "label": new.label,
            "creation_timestamp": state.created_ms,
            "last_update_timestamp": state.updated_ms,
            "replaced": state.amended,
            "api": True,
            "web": False,
            "mmp": False,
            "is_liquidation": False,
            "risk_reducing": False,
            "max_show": amount(one, abs(new.lots)),
        }
        if state.state == "cancelled":
            shape["cancel_reason"] = CANCEL_REASONS.get(state.reason, state.reason)
        return shape

    def trade(self, account: StreetAccount, fill: Fill) -> Shape:
        """A trade of ours."""
        one = self._known(fill.symbol)
        state = None if fill.order is None else account.order(fill.order)
        shape: Shape = {
            "trade_id": f"{one.settle}-{fill.number}",
            "trade_seq": fill.number,
            "timestamp": fill.ts_ms,
            "instrument_name": fill.symbol,
            "direction": "buy" if fill.lots > 0 else "sell",
            "amount": amount(one, abs(fill.lots)),
            "contracts": amount(one, abs(fill.lots)) / contract_size(one),
            "price": price(one, fill.ticks),
            "mark_price": price(one, fill.mark_ticks),
            "index_price": fill.index_ticks * self._market.index(one).tick,
            "fee": money(fill.fee_quanta, one.settle),
            "fee_currency": one.settle,
            "liquidity": "M" if fill.maker else "T",
            "profit_loss": money(fill.realised_quanta, one.settle),
            "order_id": "liquidation" if state is None else self.order_id(account, state),
            "order_type": "market" if state is None or state.order.ticks is None else "limit",
            "state": "filled" if state is None else state.state,
            "label": fill.label,
            "tick_direction": 1,
            "matching_id": None,
            "self_trade": False,
            "reduce_only": state is not None and state.order.reduce_only,
            "post_only": state is not None and state.order.post_only,
            "api": True,
            "mmp": False,
            "risk_reducing": False,
        }
        return shape | ({"liquidation": "T"} if fill.cause == "liquidation" else {})

    def position(self, account: StreetAccount, one: Instrument) -> Shape:
        """A position; of nothing held one of size nought."""
        held = account.positions(one.venue).get(one.id, FLAT)
        marks = self._street.board().marks
        value = one.value(held.lots, marks[one.id])
        mean = average_ticks(one, held.lots, held.cost) if held.lots else Fraction(0)
        initial, maintenance = self._required(one, held)
        delta = self._delta(one, held.lots)
        shape: Shape = {
            "instrument_name": one.symbol,
            "kind": kind(one),
            "direction": _direction(held.lots),
            "size": amount(one, held.lots),
            "average_price": shown(mean * Fraction(one.tick)),
            "mark_price": price(one, marks[one.id]),
            "index_price": self._market.index_price(one),
            "settlement_price": price(one, marks[one.id]),
            "floating_profit_loss": money(value - held.cost, one.settle),
            "total_profit_loss": money(value - held.cost, one.settle),
            "realized_profit_loss": money(self._realised(account, one), one.settle),
            "initial_margin": money(initial, one.settle),
            "maintenance_margin": money(maintenance, one.settle),
            "open_orders_margin": Decimal(0),
            "delta": shown(delta),
            "creation_timestamp": self._street.market.begin_ms,
        }
        if not isinstance(one, Option):
            size = Fraction(abs(value), 1) if one.inverse else Fraction(0)
            coins = money(int(size), one.base) if one.inverse else amount(one, abs(held.lots))
            signed = coins if held.lots >= 0 else -coins
            funding = self._settlements.funding(account.key).get(one.id, 0)
            return shape | {
                "size_currency": signed,
                "leverage": LEVERAGE,
                "realized_funding": money(funding, one.settle),
                "estimated_liquidation_price": self._dies_at(account, one),
            }
        greeks = self._street.greeks(one.symbol)
        size_coins = float(amount(one, held.lots))
        scaled = {n: shown(getattr(greeks, n) * size_coins) for n in GREEKS[1:]} if greeks else {}
        index = self._market.index_price(one)
        dollars = {
            "average_price_usd": shown(mean * Fraction(one.tick) * Fraction(index)),
            "floating_profit_loss_usd": shown(float(shape["floating_profit_loss"] * index)),
        }
        return shape | scaled | dollars

    def summary(self, account: StreetAccount, currency: str) -> Shape:
        """`private/get_account_summary` of one currency."""
        venue = VENUES[currency]
        book, state = account.venue(venue), account.margin(venue)
        sums = self._sums(book.positions)
        wallet = book.balances.get(currency, 0)
        session = self._session(account, currency)

        def paid(quanta: int) -> Decimal:
            return money(quanta, currency)

        total = {n: sum(g[n] for g in sums.greeks.values()) for n in GREEKS}
        return {
            "currency": currency,
            # What contracts brought since the settlement is told beside it, not in it.
            "balance": paid(wallet - sums.premiums - session[0]),
            "equity": paid(wallet + sums.futures_pl + sums.options_pl),
            "margin_balance": paid(state.equity),
            "initial_margin": paid(state.initial),
            "maintenance_margin": paid(state.maintenance),
            "projected_initial_margin": paid(state.initial),
            "projected_maintenance_margin": paid(state.maintenance),
            "available_funds": paid(max(0, state.equity - state.initial)),
            "available_withdrawal_funds": paid(state.withdrawable),
            "futures_pl": paid(sums.futures_pl),
            "options_pl": paid(sums.options_pl),
            "total_pl": paid(sums.futures_pl + sums.options_pl),
            "futures_session_upl": paid(sums.futures_pl),
            "options_session_upl": paid(sums.options_pl),
            "session_upl": paid(sums.futures_pl + sums.options_pl),
            "futures_session_rpl": paid(session[0]),
            "options_session_rpl": paid(session[1]),
            "session_rpl": paid(sum(session)),
            "options_value": paid(sums.options_value),
            "delta_total": shown(sum(sums.all_deltas().values())),
            "projected_delta_total": shown(sum(sums.all_deltas().values())),
            "delta_total_map": {index: shown(delta) for index, delta in sums.all_deltas().items()},
            **{f"options_{n}": shown(total[n]) for n in GREEKS},
            **{
                f"options_{n}_map": {index: shown(g[n]) for index, g in sums.greeks.items()}
                for n in GREEKS[1:]
            },
            **self._ratios(account, venue),
            "fee_balance": Decimal(0),
            "spot_reserve": Decimal(0),
            "additional_reserve": Decimal(0),
            "locked_balance": Decimal(0),
            "margin_model": "segregated_sm",
            "portfolio_margining_enabled": False,
            "cross_collateral_enabled": False,
        }

    def _known(self, symbol: str) -> Instrument:
        return self._street.market.instruments[self._street.name(symbol)]

    def _dies_at(self, account: StreetAccount, one: Instrument) -> Decimal | None:
        """The mark at which the account is below maintenance; None where there is none, and where
        options are held, whose marks would move too."""
        book, marks = account.venue(one.venue), self._street.board().marks
        every = (self._street.market.instruments[name] for name in book.positions)
        if any(isinstance(held, Option) for held in every):
            return None
        ticks = liquidation_ticks(self._street.rule(one.venue), book, marks, one)
        return None if ticks is None else price(one, ticks)

    def _ratios(self, account: StreetAccount, venue: str) -> Shape:
        """Liquidation price over mark by index, and the one nearest to 1; 0 and none where no
        perpetual's price brings it. Nothing is said where options are held."""
        names, marks = account.venue(venue).positions, self._street.board().marks
        held = [self._street.market.instruments[name] for name in names]
        if any(isinstance(one, Option) for one in held):
            return {}
        found: dict[str, Decimal] = {}
        for one in held:
            if (dies_at := self._dies_at(account, one)) is not None:
                found[self._market.index(one).symbol] = dies_at / price(one, marks[one.id])
        nearest = min(found.values(), key=lambda ratio: abs(ratio - 1), default=Decimal(0))
        return {
            "estimated_liquidation_ratio": shown(Fraction(nearest)),
            "estimated_liquidation_ratio_map": {n: shown(Fraction(r)) for n, r in found.items()},
        }

    def _required(self, one: Instrument, held: Position) -> tuple[int, int]:
        """Initial and maintenance margin of one position by the venue's rule."""
        if held.lots == 0:
            return 0, 0
        rule: Any = self._street.rule(one.venue)
        marks = self._street.board().marks
        required: list[Callable[..., int]] = [rule.initial, rule.maintenance]
        first, last = (of(one.id, held.lots, marks) for of in required)
        return first, last

    def _delta(self, one: Instrument, lots: int) -> float:
        """Coins, long +; of options the venue's delta times the size."""
        if isinstance(one, Option):
            greeks = self._street.greeks(one.symbol)
            return (greeks.delta if greeks else 0.0) * float(amount(one, lots))
        if one.inverse:
            mark = self._street.board().marks[one.id]
            return float(amount(one, lots)) / one.price(mark)
        return float(amount(one, lots))

    def _sums(self, positions: Any) -> _Sums:
        marks, premiums = self._street.board().marks, 0
        value, options_pl, futures_pl = 0, 0, 0
        greeks: dict[str, dict[str, float]] = {}
        deltas: dict[str, float] = {}
        for name, held in positions.items():
            one = self._street.market.instruments[name]
            worth = one.value(held.lots, marks[name])
            index = self._market.index(one).symbol
            if isinstance(one, Option):
                value, premiums = value + worth, premiums + held.cost
                options_pl += worth - held.cost
                found = greeks.setdefault(index, dict.fromkeys(GREEKS, 0.0))
                shown_greeks = self._street.greeks(one.symbol)
                for each in GREEKS if shown_greeks else ():
                    found[each] += getattr(shown_greeks, each) * float(amount(one, held.lots))
            else:
                futures_pl += worth - held.cost
                deltas[index] = deltas.get(index, 0.0) + self._delta(one, held.lots)
        return _Sums(value, options_pl, futures_pl, premiums, greeks, deltas)

    def _session(self, account: StreetAccount, currency: str) -> tuple[int, int]:
        """Profit realised since the last settlement, of futures and of options."""
        since, sums = settled_ms(self._street.now_ms), [0, 0]
        for fill in account.fills():
            one = self._known(fill.symbol)
            if fill.ts_ms >= since and one.settle == currency:
                sums[isinstance(one, Option)] += fill.realised_quanta
        return sums[0], sums[1]

    def _realised(self, account: StreetAccount, one: Instrument) -> int:
        since = settled_ms(self._street.now_ms)
        own = (f for f in account.fills() if f.symbol == one.symbol and f.ts_ms >= since)
        return sum(f.realised_quanta for f in own)


def _direction(lots: int) -> str:
    if lots == 0:
        return "zero"
    return "buy" if lots > 0 else "sell"
