# SPDX-License-Identifier: Apache-2.0
"""`tidegate session` at Binance, Bybit and OKX, opened by its file, trades what was approved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("ccxt", reason="the extra `live` is not installed")
pytest.importorskip("aiohttp", reason="the extra `live` is not installed")

from tests.venues.drill import GATE, slow
from tests.venues.exchanges.fakes.places import KINDS, FakeVenue
from tests.venues.exchanges.fakes.served import Wire, served
from tidegate.model.actions import Order
from tidegate.model.errors import InputError
from tidegate.model.events import Deposited, Filled
from tidegate.model.replies import OrderStatus, Statement
from tidegate.model.times import MINUTE_MS
from tidegate.risk.gate import Approval
from tidegate.venues.exchanges.house import ExchangeHouse
from tidegate.venues.exchanges.session_command import open_house
from tidegate.venues.exchanges.settings import read_session_file

SETTINGS = """
[session]
trading_token = "a"
watching_token = "b"
gate_key = "c"
log = "session.log"
[venue.{name}]
kind = "{name}"
credentials = "file:key.json"
collateral = "USDT"
url = "{url}"
[venue.{name}.contracts]
{symbol} = {{ base = "BTC", tick = "0.1", lot = "0.001" }}
[policy]
kinds = ["order"]
instruments = ["{name}:{symbol}"]
notional_minute_usd = 1000000.0
"""


class Place:
    """A fake venue, and a file that names it."""

    def __init__(self, name: str, folder: Path, fake: FakeVenue, wire: Wire) -> None:
        self.name, self.folder, self.fake, self.wire = name, folder, fake, wire
        self.symbol = KINDS[name].symbol

    @contextmanager
    def house(self) -> Iterator[ExchangeHouse]:
        path = self.folder / "session.toml"
        house = open_house(path, read_session_file(path), GATE, {})
        try:
            yield house
        finally:
            house._log.close()

    def approval(self, name: str, lots: int) -> Approval:
        """An approval of an order, sealed as the gate would."""
        order = Order(name, f"{self.name}:{self.symbol}", lots, False, "test")
        expires_ms = self.fake.account.time_ms + MINUTE_MS // 2
        draft = msgspec.structs.replace(
            slow(1)[0], action=order, id=f"approval of {name}", expires_ms=expires_ms
        )
        return msgspec.structs.replace(draft, seal=GATE._seal(draft))


@pytest.fixture(params=sorted(KINDS))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    name, wire = request.param, Wire()
    kind, fake = KINDS[name], KINDS[name].made()
    key = tmp_path / "key.json"
    key.write_text(json.dumps(kind.key))
    key.chmod(0o600)
    with served(fake.answer, wire) as url:
        text = SETTINGS.format(name=name, url=url, symbol=kind.symbol)
        (tmp_path / "session.toml").write_text(text)
        yield Place(name, tmp_path, fake, wire)


def test_session_of_a_file_trades_what_was_approved_once_and_agrees_with_its_venue(
    place: Place,
) -> None:
    approval = place.approval("1.buy", 1_234)
    with place.house() as house:
        reply = house.place(approval)
        assert isinstance(reply, OrderStatus)
        assert (reply.state, reply.filled_lots) == ("filled", 1_234)
    with place.house() as house:
        assert house.place(approval).state == "filled"
        said = house.statement(place.name)
        lines = house.entries(place.name, 0)
    assert isinstance(said, Statement)
    assert isinstance(lines, tuple)
    assert [type(line.event) for line in lines] == [Deposited, Filled]
    opening, fill = (line.event for line in lines)
    assert isinstance(opening, Deposited)
    assert isinstance(fill, Filled)
    assert said.account.balances == {"USDT": opening.quanta - fill.fee_quanta}
    assert place.wire.count("POST", KINDS[place.name].placing) == 1


def test_session_that_signs_no_transfer_refuses_a_key_that_can_withdraw(place: Place) -> None:
    place.fake.modes["withdraw"] = True
    with (
        pytest.raises(InputError, match="without the right to withdraw") as caught,
        place.house(),
    ):
        pass
    assert not any(secret in str(caught.value) for secret in KINDS[place.name].key.values())


def test_session_does_not_open_with_an_account_in_hedge_mode(place: Place) -> None:
    name, wrong = {
        "binance": ("dual", True),
        "bybit": ("hedge", True),
        "okx": ("posMode", "long_short_mode"),
    }[place.name]
    place.fake.modes[name] = wrong
    with pytest.raises(InputError, match="one-way mode"), place.house():
        pass
    assert not (place.folder / "session.log.partial").exists()
