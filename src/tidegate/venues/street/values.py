# SPDX-License-Identifier: Apache-2.0
"""What the street is asked and what it tells, in ticks, lots and quanta.

Lots are signed, buy +. A refusal is a value with a reason: those of the exchange ("initial margin",
"reduce only", "no price", "venue is out", "expired", "more than is withdrawable"), and "no such
instrument", "no such order", "no such account", "no depth", "would cross", "too many orders",
"not filled at once", "already closed", "below what is filled".
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from tidegate.model.events import Event
from tidegate.model.instruments import InstrumentId

InForce = Literal["gtc", "ioc", "fok"]
State = Literal["open", "filled", "cancelled", "rejected"]


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order as it is wished for; `ticks` None trades at market. `label` is the client's own."""

    symbol: str
    lots: int
    ticks: int | None
    in_force: InForce = "gtc"
    post_only: bool = False
    reduce_only: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order and what became of it; `order` is as last amended.

    `filled_lots` is signed, `lots_ticks` the sum of |lots| x ticks of its fills, and `reason` says
    why it was rejected or cancelled by the venue; "asked for" where its owner cancelled it.
    """

    id: int
    order: NewOrder
    state: State
    created_ms: int
    updated_ms: int
    filled_lots: int = 0
    lots_ticks: int = 0
    reason: str = ""
    amended: bool = False

    @property
    def left_lots(self) -> int:
        """Signed lots not filled."""
        return self.order.lots - self.filled_lots

    @property
    def average_ticks(self) -> Fraction | None:
        """Mean price of the fills in ticks."""
        filled = abs(self.filled_lots)
        return Fraction(self.lots_ticks, filled) if filled else None


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade of an account; numbers rise by one over the whole street.

    `order` is None for liquidations and deleveragings, which `cause` names. `lots_before` is the
    position before it, `realised_quanta` what closing brought without the fee.
    """

    number: int
    ts_ms: int
    symbol: str
    order: int | None
    label: str
    lots: int
    ticks: int
    fee_quanta: int
    maker: bool
    cause: str
    lots_before: int
    realised_quanta: int
    mark_ticks: int
    index_ticks: int


@dataclass(frozen=True, slots=True)
class Refused:
    """What was asked was not done, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Greeks:
    """Of one option: vols a year as decimals, prices in USD, Greeks of one coin in USD; vega per
    point of volatility, theta per day, rho per point of rate."""

    mark_vol: float
    bid_vol: float
    ask_vol: float
    underlying_usd: float
    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float


@dataclass(frozen=True, slots=True)
class Quote:
    """What is shown of an instrument now. A side without a price is None. `volume_lots` and
    `volume_usd` are of the last 24 hours; `funding_e12` is the last print's rate (perpetuals), for
    the time between two prints."""

    symbol: str
    ts_ms: int
    mark_ticks: int
    index_ticks: int
    bid_ticks: int | None
    ask_ticks: int | None
    last_ticks: int
    high_ticks: int
    low_ticks: int
    day_ago_ticks: int
    volume_lots: int
    volume_usd: float
    interest_lots: int
    funding_e12: int | None
    greeks: Greeks | None


@dataclass(frozen=True, slots=True)
class Ladder:
    """Both sides of a book, best first, as (ticks, lots). The number rises by one at each change
    that anybody was shown."""

    symbol: str
    number: int
    ts_ms: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Print:
    """A trade of the market; lots are the taker's. Numbers rise by one within an instrument."""

    number: int
    ts_ms: int
    symbol: str
    ticks: int
    lots: int
    mark_ticks: int
    index_ticks: int


@dataclass(frozen=True, slots=True)
class Bar:
    """Prices in ticks and volume in lots from `open_ms` on."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    lots: int


@dataclass(frozen=True, slots=True)
class FundingPrint:
    """A perpetual's funding rate at its stamp, 1e-12 of the interval that ends there."""

    ts_ms: int
    symbol: str
    rate_e12: int
    index_ticks: int


@dataclass(frozen=True, slots=True)
class Moved:
    """The quote of an instrument moved."""

    symbol: str


@dataclass(frozen=True, slots=True)
class OrderNews:
    """An order of an account changed."""

    key: str
    state: OrderState


@dataclass(frozen=True, slots=True)
class FillNews:
    """An account traded."""

    key: str
    fill: Fill


@dataclass(frozen=True, slots=True)
class AccountNews:
    """Something else happened to an account: funding, liquidation, delivery, money that landed."""

    key: str
    event: Event


@dataclass(frozen=True, slots=True)
class Funded:
    """A perpetual's funding was printed."""

    funding: FundingPrint


@dataclass(frozen=True, slots=True)
class Sent:
    """A transfer between two accounts' venues; its money is gone at once and lands later."""

    id: int
    source: str
    source_venue: InstrumentId
    destination: str
    destination_venue: InstrumentId
    asset: str
    quanta: int
    sent_ms: int
    lands_ms: int


Happened = Moved | Print | OrderNews | FillNews | AccountNews | Funded
