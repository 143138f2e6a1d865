# SPDX-License-Identifier: Apache-2.0
"""Payloads of venues: each recorded one of an adapted product is decoded without loss."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.conftest import REPOSITORY
from tests.venues.payload_forms import FORMS
from tests.venues.payload_samples import SAMPLES
from tidegate.model.errors import InputError
from tidegate.venues.payloads import deribit_public, okx_public
from tidegate.venues.payloads.fields import MESSAGE_BYTES_MAX, decode, encode

ADAPTED = frozenset("binance bybit deribit derive dydx hyperliquid okx".split())
NOT_ADAPTED = frozenset("bitmex coinbase kraken lighter tardis".split())
# Books of one instrument in a compressed file, replayed by the tests of order books.
RECORDINGS = frozenset({"bybit_ob500"})
# Files of adapted folders that no venue sent: they describe binary captures, or try a parser.
NO_PAYLOADS = ("binance/spot/user_data_sbe/*", "okx/common_optional_string_to_u64.json")


def values(content: bytes) -> Any:
    """What JSON says, with each bare number exact."""
    return json.loads(content, parse_float=Decimal)


def differences(sent: Any, kept: Any, place: str = "") -> Iterator[str]:
    """Where two values differ; numbers are compared as numbers, and never with text or truth."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        for key in sent.keys() | kept.keys():
            if key not in sent or key not in kept:
                yield f"{place}.{key} is only {'kept' if key in kept else 'sent'}"
            else:
                yield from differences(sent[key], kept[key], f"{place}.{key}")
    elif isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        for number, (one, other) in enumerate(zip(sent, kept, strict=True)):
            yield from differences(one, other, f"{place}[{number}]")
    elif _kind(sent) != _kind(kept) or sent != kept:
        yield f"{place}: {sent!r} was kept as {kept!r}"


def _kind(value: Any) -> type:
    return Decimal if type(value) in (int, Decimal) else type(value)


def payloads(folder: Path) -> list[str]:
    """Files of adapted products that a venue sent."""
    names = (
        p.relative_to(folder).as_posix() for v in ADAPTED for p in (folder / v).rglob("*.json")
    )
    return sorted(n for n in names if not any(fnmatch(n, pattern) for pattern in NO_PAYLOADS))


def forms_of(name: str) -> list[Any]:
    return [form for pattern, form in FORMS.items() if fnmatch(name, pattern)]


def test_every_recorded_payload_of_an_adapted_product_is_decoded_without_loss(
    data_root: Path,
) -> None:
    lost = {}
    names = payloads(data_root / "wire")
    for name in names:
        content = (data_root / "wire" / name).read_bytes()
        forms = forms_of(name)
        assert forms, f"{name} has no form"
        for form in forms:
            found = list(differences(values(content), values(encode(decode(content, form, name)))))
            if found:
                lost[name] = found
    assert len(names) > 250
    assert not lost


def test_every_folder_of_recorded_payloads_is_adapted_or_named_as_not(data_root: Path) -> None:
    folders = {path.name for path in (data_root / "wire").iterdir() if path.is_dir()}
    assert folders == ADAPTED | NOT_ADAPTED | RECORDINGS


def test_every_form_has_a_recorded_payload(data_root: Path) -> None:
    names = payloads(data_root / "wire")
    assert [p for p in FORMS if not any(fnmatch(n, p) for n in names)] == []


def test_page_on_payloads_names_every_folder() -> None:
    text = (REPOSITORY / "docs/payloads.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    assert rows.keys() == ADAPTED | NOT_ADAPTED | RECORDINGS
    for name, row in rows.items():
        assert ("| no" in row) == (name in NOT_ADAPTED)


@pytest.mark.parametrize("pattern", FORMS)
def test_made_payload_of_every_form_is_decoded_without_loss(pattern: str) -> None:
    for content in SAMPLES[pattern]:
        kept = values(encode(decode(content, FORMS[pattern], pattern)))
        assert list(differences(values(content), kept)) == []


def test_field_that_no_type_knows_is_found_as_lost() -> None:
    sent = b'{"jsonrpc":"2.0","result":{"version":"1.2","colour":"red"}}'
    decoded = decode(sent, deribit_public.Reply[deribit_public.ServerVersion], "deribit")
    assert list(differences(values(sent), values(encode(decoded)))) == [
        ".result.colour is only sent"
    ]


@pytest.mark.parametrize(
    ("sent", "kept"), [(1, True), ("1", 1), (Decimal("0.1"), "0.1"), ([1], [1, 1]), (None, 0)]
)
def test_values_of_other_kinds_differ(sent: object, kept: object) -> None:
    assert list(differences({"x": sent}, {"x": kept}))


def test_bare_numbers_keep_every_digit() -> None:
    for number in ("0.1", "1e-7", "12345678901234567890.123456789", "0.30000000000000004", "10.0"):
        decoded = msgspec.json.decode(number.encode(), type=Decimal)
        assert str(values(encode(decoded))) == str(Decimal(number))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"jsonrpc":"2.0"}',
        b'{"jsonrpc":"2.0","result":{"version":7}}',
        b'{"jsonrpc":"\xff","result":{"version":"1"}}',
        b" " * (MESSAGE_BYTES_MAX + 1),
    ],
)
def test_payload_of_another_form_is_refused_in_one_line_with_its_place(content: bytes) -> None:
    with pytest.raises(InputError, match="deribit: payload: expected") as refusal:
        decode(content, deribit_public.Reply[deribit_public.ServerVersion], "deribit")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("price", ["1,5", "NaN", "Infinity", "0x10", "1e999", "1" * 41, "१"])
def test_quoted_text_that_is_no_ordinary_number_is_refused(price: str) -> None:
    trade = {"instId": "X", "side": "buy", "sz": "1", "px": price, "tradeId": "1", "ts": "1"}
    with pytest.raises(InputError, match=r"\$\.px"):
        decode(json.dumps(trade).encode(), okx_public.Trade, "okx")
