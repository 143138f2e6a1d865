# SPDX-License-Identifier: Apache-2.0
"""Every page that a command writes, opened in a real browser: quiet, alone, drawn and not cut off.

These run in `make test-browser`, which adds Debian's Chromium where it may. Pictures of all pages
are left in the folder that `TIDEGATE_SCREENSHOTS` names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backtest.made_reports import STRIKING, hostile_report
from tests.browser.chromium import Chromium, Seen, chromium
from tests.browser.written_pages import PAGES

pytestmark = pytest.mark.browser

DESK, PHONE = 1280, 390
WIDE = "document.documentElement.scrollWidth"
UNDRAWN = "[...document.querySelectorAll('.chart')].filter(c => !c.querySelector('svg')).length"
STRUCK = "String(window.struck)"
ASKED = (WIDE, UNDRAWN)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return PAGES[request.param](tmp_path_factory.mktemp(request.param))


def complaints(page: Path, seen: Seen, width: int) -> list[str]:
    """What is wrong with a page that was opened; empty where nothing is."""
    found = list(seen.faults)
    own = (page.resolve().as_uri(), "data:", "blob:")
    found += [f"asks for {url}" for url in seen.requests if not url.startswith(own)]
    wide, undrawn = seen.answers[:2]
    if wide > width:
        found.append(f"{wide} pixels wide in a window of {width}")
    if undrawn:
        found.append(f"{undrawn} charts are not drawn")
    return found


def _keep(name: str, png: bytes) -> None:
    if folder := os.environ.get("TIDEGATE_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.png").write_bytes(png)


def test_page_of_a_command_opens_without_a_fault_and_asks_for_nothing(
    page: Path, browser: Chromium
) -> None:
    for width, dark in ((DESK, False), (PHONE, False), (DESK, True)):
        seen = browser.open(page, width, ASKED, dark)
        _keep(f"{page.parent.name}-{page.stem}-{width}{'-dark' if dark else ''}", seen.png)
        assert complaints(page, seen, width) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<script>console.error('planted')</script>", "planted"),
        ("<script>planted()</script>", "planted is not defined"),
        ("<script>Promise.reject('planted')</script>", "planted"),
        ("<img src='planted.png'>", "asks for file://"),
        ("<img src='http://planted.example/x.png'>", "asks for http://planted.example/x.png"),
        ("<script>fetch('https://planted.example').catch(() => 0)</script>", "planted.example"),
        ("<script>new WebSocket('wss://planted.example')</script>", "wss://planted.example"),
        ("<script>navigator.sendBeacon('http://planted.example')</script>", "planted.example"),
        (
            "<meta http-equiv='Content-Security-Policy' content=\"img-src 'none'\">"
            "<img src='planted.png'>",
            "Content Security Policy",
        ),
        ("<div style='width:3000px'>planted</div>", "pixels wide"),
        ("<div class='chart'></div>", "1 charts are not drawn"),
    ],
)
def test_fault_that_is_planted_in_a_page_is_found(
    body: str, said: str, tmp_path: Path, browser: Chromium
) -> None:
    page = tmp_path / "planted.html"
    page.write_text(f"<!doctype html><html><meta charset=utf-8><title>x</title>{body}</html>")
    found = complaints(page, browser.open(page, DESK, ASKED), DESK)
    assert any(said in complaint for complaint in found), found


def test_page_with_nothing_planted_has_no_complaint(tmp_path: Path, browser: Chromium) -> None:
    page = tmp_path / "clean.html"
    page.write_text("<!doctype html><html><meta charset=utf-8><title>x</title>Quiet.</html>")
    assert complaints(page, browser.open(page, DESK, ASKED), DESK) == []


def test_names_that_carry_markup_and_scripts_do_nothing_in_a_report(
    tmp_path: Path, browser: Chromium
) -> None:
    page = tmp_path / "hostile.html"
    page.write_text(hostile_report(), encoding="utf-8")
    seen = browser.open(page, DESK, (*ASKED, STRUCK))
    assert complaints(page, seen, DESK) == []
    assert seen.answers[2] == "undefined"


def test_names_that_a_page_does_not_escape_are_found(tmp_path: Path, browser: Chromium) -> None:
    page = tmp_path / "struck.html"
    page.write_text(f"<!doctype html><html><meta charset=utf-8><title>x</title>{STRIKING}</html>")
    assert browser.open(page, DESK, (STRUCK,)).answers != ("undefined",)
