# SPDX-License-Identifier: Apache-2.0
"""How far each thing may move alone before an account dies: each coin, all by beta, vols in three
ways, its venue's prices, dollar coins, funding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import log

from msgspec.structs import replace

from tidegate.engine.margin_book.account_book import AccountBook
from tidegate.engine.margin_book.distances import coins_of
from tidegate.engine.margin_book.distances import distances as coin_distances
from tidegate.engine.survival.document import Distance
from tidegate.engine.survival.shifts import Shift, health
from tidegate.engine.survival.terms import RiskTerms
from tidegate.margin.liquidation_distance import HIGHEST_RATIO, LOWEST_RATIO, first_fall
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option, Perpetual

# Steps on the way out; prices of options bend more than the rest.
STEPS, BETA_STEPS = 24, 80
# Ends of the search; moves between are looked for as in `liquidation_distance`.
LOWEST_VOL, HIGHEST_VOL = 0.02, 10.0
SKEW_END, TERM_END, SPREAD_END, STABLE_END, FUNDING_END_DAYS = 2.0, 1.0, 0.5, 0.95, 3_650.0
EDGE = 1e-9
ALL_COINS = "all coins by beta"
NO_BETAS = "betas of its coins are not all given"


@dataclass(frozen=True, slots=True)
class Way:
    """One thing that moves: from 1, where nothing has, to `end`; `shift` and `move` of a place
    between."""

    kind: str
    of: str
    side: str
    end: float
    shift: Callable[[float], Shift]
    move: Callable[[float], float]


def relative(ratio: float) -> float:
    """A ratio as a move."""
    return ratio - 1.0


def ways(account: AccountBook, terms: RiskTerms) -> Iterator[Way]:
    """Everything but single coins that an account may be moved by."""
    coins = coins_of(account)
    betas = terms.betas_of(coins)
    if betas:
        for side, end in (("down", LOWEST_RATIO), ("up", HIGHEST_RATIO)):
            yield Way("beta", ALL_COINS, side, end, lambda r: Shift(by_beta(betas, r)), relative)
    if any(isinstance(each.instrument, Option) for each in account.holdings.positions):
        yield from _vol_ways()
    if any(not isinstance(each.instrument, Option) for each in account.holdings.positions):
        yield Way(
            "spread",
            "marks against each position",
            "apart",
            1.0 + SPREAD_END,
            lambda r: Shift(spread=r - 1.0),
            relative,
        )
    for asset in dollar_coins(account, terms.quotes):
        yield _depeg(asset)
    if any(isinstance(each.instrument, Perpetual) for each in account.holdings.positions):
        yield _funding(terms.figure("funding_daily"))


def by_beta(betas: Mapping[str, float], ratio: float) -> dict[str, float]:
    """Ratios of all coins once the market's is `ratio`."""
    return {coin: max(LOWEST_RATIO, 1.0 + beta * (ratio - 1.0)) for coin, beta in betas.items()}


def _vol_ways() -> Iterator[Way]:
    for side, end in (("down", LOWEST_VOL), ("up", HIGHEST_VOL)):
        yield Way("vol", "level", side, end, lambda r: Shift(vol=r), relative)
    for kind, of, end in (("skew", "tilt", SKEW_END), ("term", "twist", TERM_END)):
        for side, sign in (("down", -1.0), ("up", 1.0)):
            yield _bend(kind, of, side, sign, 1.0 + end)


def _bend(kind: str, of: str, side: str, sign: float, end: float) -> Way:
    def shift(ratio: float) -> Shift:
        size = sign * (ratio - 1.0)
        return Shift(skew=size) if kind == "skew" else Shift(term=size)

    return Way(kind, of, side, end, shift, lambda r: sign * (r - 1.0))


def _depeg(asset: str) -> Way:
    return Way(
        "stable", asset, "depeg", 1.0 - STABLE_END, lambda r: Shift(dollars={asset: r}), relative
    )


def _funding(daily: float) -> Way:
    end = 1.0 + FUNDING_END_DAYS * daily
    return Way(
        "funding",
        "days paid by every leg",
        "against",
        end,
        lambda r: Shift(funding_share=r - 1.0),
        lambda r: (r - 1.0) / daily,
    )


def dollar_coins(account: AccountBook, quotes: Mapping[str, str]) -> list[str]:
    """Dollar coins that an account owns, owes, settles in or has prices in."""
    held = [each.instrument for each in account.holdings.positions]
    named = {quotes.get(each.id, each.settle) for each in held} | {each.settle for each in held}
    named |= {asset for asset, amount in account.holdings.collateral.items() if amount}
    market = account.market.values
    return sorted(each for each in named if ("dollar", each) in market and each != "USD")


def distances(account: AccountBook, terms: RiskTerms) -> Iterator[Distance]:
    """Of one account, every thing alone."""
    for found in coin_distances(account):
        for side, said in (("down", found.below), ("up", found.above)):
            ends = (said.move, said.price, None, said.searched_to, said.why)
            price = Distance(account.venue, "price", found.coin, side, said.status, *ends)
            yield _counted(price, terms)
    if terms.betas_of(coins_of(account)) is None:
        for side in ("down", "up"):
            yield Distance(account.venue, "beta", ALL_COINS, side, "unknown", why=NO_BETAS)
    for way in ways(account, terms):
        yield _counted(_along(account, terms, way), terms)


def _along(account: AccountBook, terms: RiskTerms, way: Way) -> Distance:
    made = Distance(account.venue, way.kind, way.of, way.side, "unknown")

    def there(ratio: float) -> float:
        return health(account, way.shift(ratio), terms.quotes)

    steps = BETA_STEPS if way.kind == "beta" else STEPS
    try:
        found, reached = first_fall(there, way.end, steps)
    except InputError as error:
        return replace(made, why=f"{error.field}: {error.expected}")
    if found is not None:
        move = 0.0 if found == 1.0 else way.move(found)
        return replace(made, status="dies", move=move)
    if abs(reached / way.end - 1.0) > EDGE:
        why = _why_not_beyond(there, reached * way.end ** (1.0 / steps))
        return replace(made, searched_to=way.move(reached), why=why)
    return replace(made, status="never", searched_to=way.move(reached))


def _why_not_beyond(there: Callable[[float], float], ratio: float) -> str:
    try:
        there(ratio)
    except InputError as error:
        return f"the rule cannot judge beyond: {error.field}: {error.expected}"
    return "the search was ended"


def _counted(found: Distance, terms: RiskTerms) -> Distance:
    """With the move in daily standard deviations, where there is one."""
    sd = _sd(found, terms)
    if found.move is None or sd is None:
        return found
    size = abs(found.move) if found.kind == "spread" else abs(log(max(1.0 + found.move, 1e-12)))
    return replace(found, sds=size / sd)


def _sd(found: Distance, terms: RiskTerms) -> float | None:
    if found.kind == "price":
        known = terms.vol_daily.get(found.of)
        return None if known is None else known.value
    if found.kind == "beta":
        lead = [terms.vol_daily.get(coin) for coin, beta in terms.betas.items() if beta == 1.0]
        return max((each.value for each in lead if each is not None), default=None)
    name = {"vol": "vol_level_daily", "spread": "spread_daily", "stable": "stable_daily"}
    return terms.figure(name[found.kind]) if found.kind in name else None


def nearest(found: Iterable[Distance]) -> tuple[Distance, ...]:
    """Over all accounts, of each thing the nearest death, and all that is UNKNOWN of it; what no
    account dies of is left out."""
    groups: dict[tuple[str, str, str], list[Distance]] = {}
    for each in found:
        groups.setdefault((each.kind, each.of, each.side), []).append(each)
    best = list[Distance]()
    for group in groups.values():
        dying = [each for each in group if each.status == "dies"]
        best += sorted(dying, key=lambda each: abs(each.move or 0.0))[:1]
        best += [each for each in group if each.status == "unknown"]
    return tuple(best)
