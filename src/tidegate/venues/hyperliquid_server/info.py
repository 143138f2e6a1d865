# SPDX-License-Identifier: Apache-2.0
"""/info: questions about the market and about addresses.

Source: hyperliquid.gitbook.io, Info endpoint with Perpetuals and Spot (stored copies read in
November 2026). A question about an address opens its account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.venues.hyperliquid_server import account_shapes, market_shapes
from tidegate.venues.hyperliquid_server.amounts import quanta_text
from tidegate.venues.hyperliquid_server.candles import INTERVALS, candles
from tidegate.venues.hyperliquid_server.grouped_book import grouped
from tidegate.venues.hyperliquid_server.house import Desk, House
from tidegate.venues.hyperliquid_server.listing import MAKER_PPM, TAKER_PPM
from tidegate.venues.hyperliquid_server.market_shapes import Coin, rate_text
from tidegate.venues.hyperliquid_server.questions import Question
from tidegate.venues.street.values import Fill, OrderState

FILLS_MAX, FUNDINGS_MAX, PRINTS_SHOWN, HISTORY_MAX = 2_000, 500, 10, 2_000
FOREVER_MS = 2**53
NO_STAKE = {
    "delegated": "0.0",
    "undelegated": "0.0",
    "totalPendingWithdrawal": "0.0",
    "nPendingWithdrawals": 0,
}


class Unanswerable(Exception):
    """A question that the venue cannot read."""


def answer(house: House, question: Question) -> Any:
    """The answer; raises `Unanswerable`."""
    if question.dex:
        raise Unanswerable("no such dex")
    handler = _HANDLERS.get(question.type)
    if handler is None:
        raise Unanswerable("no such type")
    return handler(house, question)


def desk_of(house: House, address: str | None) -> Desk:
    """The account of an address, new where it has none; raises `Unanswerable`."""
    user = None if address is None else house.open(address)
    if user is None:
        raise Unanswerable("expected an address, of at most 64")
    return house.desk(user)


def coin_named(house: House, name: str | None) -> Coin:
    """A coin; raises `Unanswerable`."""
    coin = house.by_name.get(name or "")
    if coin is None:
        raise Unanswerable("no such coin")
    return coin


def contexts(house: House) -> list[Any]:
    """What is shown of all coins."""
    return [house.shown(coin).context for coin in house.coins]


def mids(house: House) -> dict[str, str]:
    """The middle of every book that has one."""
    found = {c.name: market_shapes.middle_text(c, house.quote(c)) for c in house.coins}
    return {name: text for name, text in found.items() if text is not None}


def l2_book(house: House, question: Any) -> Any:
    """A book, its levels joined where that is asked for."""
    coin = coin_named(house, question.coin)
    whole = house.ladder(coin)
    return market_shapes.book(coin, grouped(whole, question.nSigFigs, question.mantissa))


def state(house: House, desk: Desk) -> Any:
    """The perpetuals' account."""
    now_ms = house.street.now_ms
    return account_shapes.clearinghouse_state(desk.held(), house.by_id, desk.funded, now_ms)


def spot(desk: Desk) -> Any:
    """The spot wallet."""
    return account_shapes.spot_state(desk.spot_quanta())


def orders(house: House, desk: Desk, long: bool) -> list[Any]:
    """Orders that rest, the last first."""
    shape = account_shapes.long_order if long else account_shapes.order
    return [shape(house.by_name[s.order.symbol], s) for s in reversed(desk.open_orders())]


def fills(house: House, desk: Desk, said: list[Fill]) -> list[Any]:
    """Trades in the venue's shape."""
    address = desk.user.address
    return [account_shapes.fill(house.by_name[f.symbol], f, address) for f in said]


def fundings(house: House, desk: Desk) -> list[Any]:
    """Payments of funding, oldest first."""
    return [
        {"time": f.ts_ms} | account_shapes.funding_paid(house.by_id[f.instrument], f)
        for f in desk.fundings
    ]


def active_asset(house: House, desk: Desk, coin: Coin) -> Any:
    """What a user can trade of a coin now."""
    quote, rule = house.quote(coin), desk.rule()
    leverage = account_shapes.chosen_leverage(rule, coin)
    free = desk.held().state
    left = max(0, free.equity - free.initial)
    most = left * leverage // max(1, coin.contract.notional(1, quote.mark_ticks))
    return {
        "user": desk.user.address,
        "coin": coin.name,
        "leverage": {"type": "cross", "value": leverage},
        "maxTradeSzs": [coin.size(most)] * 2,
        "availableToTrade": [quanta_text(left * leverage)] * 2,
        "markPx": coin.price(quote.mark_ticks),
    }


def web_data(house: House, desk: Desk) -> Any:
    """All that a page of the venue shows of a user."""
    return {
        "clearinghouseState": state(house, desk),
        "leadingVaults": [],
        "totalVaultEquity": "0.0",
        "openOrders": orders(house, desk, long=True),
        "agentAddress": None,
        "agentValidUntil": None,
        "cumLedger": "0.0",
        "meta": market_shapes.meta(house.coins),
        "assetCtxs": contexts(house),
        "serverTime": house.street.now_ms,
        "isVault": False,
        "user": desk.user.address,
        "twapStates": [],
        "spotState": spot(desk),
        "spotAssetCtxs": [],
    }


def _window(question: Question) -> tuple[int, int]:
    end_ms = FOREVER_MS if question.endTime is None else question.endTime
    return question.startTime or 0, end_ms


def _within(rows: list[Any], question: Question, most: int) -> list[Any]:
    first_ms, last_ms = _window(question)
    return [row for row in rows if first_ms <= row["time"] <= last_ms][:most]


def _candles(house: House, question: Question) -> list[Any]:
    wanted = question.req
    if wanted is None or wanted.interval not in INTERVALS:
        raise Unanswerable("expected a req with an interval of the venue")
    coin, length_ms = coin_named(house, wanted.coin), INTERVALS[wanted.interval]
    window = wanted.startTime, FOREVER_MS if wanted.endTime is None else wanted.endTime
    bars = candles(house.street, house.minutes, coin.name, length_ms, window)
    return [market_shapes.candle(coin, bar, wanted.interval, length_ms) for bar in bars]


def _trades(house: House, question: Question) -> list[Any]:
    coin = coin_named(house, question.coin)
    prints = house.street.prints(coin.name, 0, PRINTS_SHOWN)
    return [market_shapes.trade(coin, said) for said in reversed(prints)]


def _funding_history(house: House, question: Question) -> list[Any]:
    coin, window = coin_named(house, question.coin), _window(question)
    found = house.street.funding_history(coin.name, *window)
    return [market_shapes.funding(coin, said) for said in found[:FUNDINGS_MAX]]


def _user_funding(house: House, question: Question) -> list[Any]:
    rows = fundings(house, desk_of(house, question.user))
    nested = [
        {
            "time": row["time"],
            "hash": "0x" + "00" * 32,
            "delta": {"type": "funding"} | {k: v for k, v in row.items() if k != "time"},
        }
        for row in rows
    ]
    return _within(nested, question, FUNDINGS_MAX)


def _order_status(house: House, question: Question) -> Any:
    desk, oid = desk_of(house, question.user), question.oid
    if oid is None:
        raise Unanswerable("expected an oid")
    found = desk.by_cloid(oid) if isinstance(oid, str) else desk.order(oid)
    if found is None:
        return {"status": "unknownOid"}
    return {"status": "order", "order": _long(house, found)}


def _long(house: House, found: OrderState) -> Any:
    coin = house.by_name[found.order.symbol]
    return account_shapes.order_news(coin, found, long=True)


def _history(house: House, question: Question) -> list[Any]:
    desk = desk_of(house, question.user)
    known = (s for s in desk.last_orders() if s.order.symbol in house.by_name)
    return [_long(house, found) for found in known]


def _fills(house: House, question: Question) -> list[Any]:
    desk = desk_of(house, question.user)
    return fills(house, desk, desk.fills()[-FILLS_MAX:][::-1])


def _fills_by_time(house: House, question: Question) -> list[Any]:
    desk = desk_of(house, question.user)
    return _within(fills(house, desk, desk.fills()), question, FILLS_MAX)


def _ledger(house: House, question: Question) -> list[Any]:
    return _within(list(desk_of(house, question.user).ledger), question, FUNDINGS_MAX)


def _rate_limit(house: House, question: Question) -> Any:
    desk = desk_of(house, question.user)
    return {
        "cumVlm": quanta_text(desk.volume_micro),
        "nRequestsUsed": desk.user.limit.used,
        "nRequestsCap": desk.user.limit.cap(desk.volume_micro),
        "nRequestsSurplus": 0,
    }


def _fees(house: House, question: Question) -> Any:
    desk_of(house, question.user)
    taker, maker = (rate_text(ppm * 10**6) for ppm in (TAKER_PPM, MAKER_PPM))
    schedule = {"cross": taker, "add": maker, "spotCross": taker, "spotAdd": maker}
    return {
        "dailyUserVlm": [],
        "feeSchedule": schedule | {"tiers": {"vip": [], "mm": []}, "referralDiscount": "0.0"},
        "userCrossRate": taker,
        "userAddRate": maker,
        "userSpotCrossRate": taker,
        "userSpotAddRate": maker,
        "activeReferralDiscount": "0.0",
        "trial": None,
        "feeTrialReward": "0.0",
        "nextTrialAvailableTimestamp": None,
    }


def _role(house: House, question: Question) -> Any:
    master = house.users.master(question.user or "")
    if master is not None:
        return {"role": "agent", "data": {"user": master}}
    desk_of(house, question.user)
    return {"role": "user"}


def _agents(house: House, question: Question) -> list[Any]:
    user = desk_of(house, question.user).user
    return [
        {"name": name, "address": agent, "validUntil": FOREVER_MS}
        for agent, name in user.agents.items()
    ]


def _referral(house: House, question: Question) -> Any:
    user = desk_of(house, question.user).user
    code = None if user.referrer is None else {"referrer": None, "code": user.referrer}
    return {
        "referredBy": code,
        "cumVlm": quanta_text(desk_of(house, question.user).volume_micro),
        "unclaimedRewards": "0.0",
        "claimedRewards": "0.0",
        "builderRewards": "0.0",
        "referrerState": None,
        "rewardHistory": [],
    }


def _builder_fee(house: House, question: Question) -> int:
    """In tenths of a basis point, as it was approved; nothing is ever charged."""
    user, builder = desk_of(house, question.user).user, (question.builder or "").lower()
    return _tenths(user.builder_fees.get(builder, "0%"))


def _tenths(rate: str) -> int:
    try:
        return round(float(rate.removesuffix("%")) * 1000)
    except (ValueError, OverflowError):
        return 0


def _status(house: House, question: Question) -> Any:
    return {"time": house.street.now_ms, "specialStatuses": None}


def _empty(house: House, question: Question) -> list[Any]:
    desk_of(house, question.user)
    return []


def _user(answer_of: Callable[[House, Desk], Any]) -> Callable[[House, Question], Any]:
    return lambda house, question: answer_of(house, desk_of(house, question.user))


_HANDLERS: Mapping[str, Callable[[House, Question], Any]] = {
    "meta": lambda house, q: market_shapes.meta(house.coins),
    "spotMeta": lambda house, q: market_shapes.SPOT_META,
    "metaAndAssetCtxs": lambda house, q: [market_shapes.meta(house.coins), contexts(house)],
    "spotMetaAndAssetCtxs": lambda house, q: [market_shapes.SPOT_META, []],
    "allPerpMetas": lambda house, q: [market_shapes.meta(house.coins)],
    "perpDexs": lambda house, q: [None],
    "perpsAtOpenInterestCap": lambda house, q: [],
    "allMids": lambda house, q: mids(house),
    "exchangeStatus": _status,
    "l2Book": l2_book,
    "candleSnapshot": _candles,
    "recentTrades": _trades,
    "fundingHistory": _funding_history,
    "userFunding": _user_funding,
    "clearinghouseState": _user(state),
    "spotClearinghouseState": _user(lambda house, desk: spot(desk)),
    "openOrders": _user(lambda house, desk: orders(house, desk, long=False)),
    "frontendOpenOrders": _user(lambda house, desk: orders(house, desk, long=True)),
    "orderStatus": _order_status,
    "historicalOrders": _history,
    "userFills": _fills,
    "userFillsByTime": _fills_by_time,
    "userNonFundingLedgerUpdates": _ledger,
    "userRateLimit": _rate_limit,
    "userFees": _fees,
    "userRole": _role,
    "userAbstraction": _user(lambda house, desk: "disabled"),
    "userDexAbstraction": _user(lambda house, desk: False),
    "extraAgents": _agents,
    "referral": _referral,
    "maxBuilderFee": _builder_fee,
    "activeAssetData": lambda house, q: active_asset(
        house, desk_of(house, q.user), coin_named(house, q.coin)
    ),
    "webData2": _user(web_data),
    "subAccounts": _user(lambda house, desk: None),
    "userVaultEquities": _empty,
    "userTwapSliceFills": _empty,
    "userToMultiSigSigners": _user(lambda house, desk: None),
    "delegatorSummary": _user(lambda house, desk: NO_STAKE),
    "delegations": _empty,
    "delegatorRewards": _empty,
    "delegatorHistory": _empty,
}
