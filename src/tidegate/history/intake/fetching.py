# SPDX-License-Identifier: Apache-2.0
"""A venue's public history page by page: paced, tried again, taken up where it was broken off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from tidegate.history.intake.bar_checks import missing_bars
from tidegate.history.intake.importing import judged, series_of
from tidegate.history.intake.provenance import Page, add_pages, read_pages, uncovered
from tidegate.history.intake.store import Rows, constant_texts, locked, put_rows
from tidegate.history.intake.venue_answers import Answer, Busy, Cut
from tidegate.history.intake.venue_sources import Ask, VenueSource, source_of, texts_of
from tidegate.history.parquet import FloatArray, IntArray
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, format_time

TRIES = 7
FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
# A venue that asks for more patience than this is not waited for.
LONGEST_BAN_S = 900.0
SPOOL = ".fetched"
_PRINTS_MIN = 3

# The port: a request in, the whole body out. `Busy` and `Cut` are tried again.
Fetch = Callable[[Ask], bytes]


@dataclass(frozen=True, slots=True)
class Pace:
    """How a fetch waits (seconds) and knows the time (ms UTC)."""

    sleep: Callable[[float], None]
    now_ms: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """History of one symbol: a venue's bars, marks, funding or dvol over a window."""

    venue: str
    what: str
    symbol: str
    window: Window
    server: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: rows new to the table, pages asked for and pages kept from a fetch that was
    broken off, and how many bars of the window the table still lacks."""

    file: str
    symbol: str
    added: int
    asked: int
    kept: int
    missing: int


@dataclass(frozen=True, slots=True)
class _Job:
    wanted: Wanted
    source: VenueSource
    out: Path
    fetch: Fetch
    pace: Pace


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One page with its answer; `kept` if its body came from the spool."""

    page: Page
    answer: Answer
    body_file: Path
    kept: bool


def fetch_history(wanted: Wanted, out: Path, fetch: Fetch, pace: Pace) -> Fetched:
    """Fetch what a folder has not of a series, and write it with its provenance.

    Only bars that have closed and prints that are settled are asked for. Each page's body is kept
    beside until its rows are in the table, so that a fetch that was killed goes on where it was.
    Raises `InputError` for what the venue refuses, for rows that a reader would refuse or that
    contradict the table, and where a page fails seven times; the table is as it was then.
    """
    source = source_of(wanted.venue, wanted.what, wanted.symbol)
    if wanted.server is not None and not wanted.server.startswith(("http://", "https://")):
        raise InputError("data fetch", "--server", "expected an http or https address")
    texts_of(source, wanted.symbol)
    with locked(out):
        return _fetch(_Job(wanted, source, out, fetch, pace))


def _fetch(job: _Job) -> Fetched:
    window = _settled(job)
    parts: list[_Part] = []
    gaps = uncovered(window, _mine(job)) if window else ()
    for gap in gaps:
        parts += _pages(job, gap)
    rows = _rows(job, parts, gaps)
    added = 0
    if rows is not None:
        where = f"{job.wanted.venue} {job.wanted.what} {job.wanted.symbol}"
        _ = tuple(judged(rows, where))
        added, _ = put_rows(job.out, rows, where)
    # An empty page may be a venue's slip, so it is asked for again another time.
    covered = [part.page for part in parts if part.page.rows]
    if covered:
        add_pages(job.out, job.source.layout, covered)
    for part in parts:
        part.body_file.unlink(missing_ok=True)
    if (job.out / SPOOL).is_dir() and not any((job.out / SPOOL).iterdir()):
        (job.out / SPOOL).rmdir()
    asked = sum(not part.kept for part in parts)
    missing = _missing(job, rows, gaps)
    layout = job.source.layout
    return Fetched(layout.file, job.wanted.symbol, added, asked, len(parts) - asked, missing)


def _settled(job: _Job) -> Window | None:
    """The part of the window that is past, to a whole step."""
    step_ms, window = job.source.step_ms, job.wanted.window
    now_ms = job.pace.now_ms() // step_ms * step_ms
    end_ms = min(window.end_ms, now_ms)
    return Window(window.start_ms, end_ms) if end_ms > window.start_ms else None


def _mine(job: _Job) -> Iterator[Page]:
    for page in read_pages(job.out, job.source.layout):
        if (page.venue, page.symbol) == (job.wanted.venue, job.wanted.symbol):
            yield page


def _pages(job: _Job, gap: Window) -> Iterator[_Part]:
    """The pages of a gap: spans that a full answer covers, split where one may be cut short."""
    source = job.source
    span_ms = (source.page_rows - 2) * source.step_ms - 2 * _margin_ms(source)
    spans = [
        Window(start, min(start + span_ms, gap.end_ms))
        for start in range(gap.start_ms, gap.end_ms, span_ms)
    ]
    while spans:
        span = spans.pop(0)
        part = _page(job, span)
        full = part.answer.more or part.answer.ts_ms.size >= source.page_rows
        if full and span.end_ms - span.start_ms > source.step_ms:
            part.body_file.unlink(missing_ok=True)
            middle = span.start_ms + (span.end_ms - span.start_ms) // 2
            middle -= (middle - span.start_ms) % source.step_ms
            middle = max(middle, span.start_ms + source.step_ms)
            spans[:0] = [Window(span.start_ms, middle), Window(middle, span.end_ms)]
        else:
            yield part


def _page(job: _Job, span: Window) -> _Part:
    # Funding tells its interval by its neighbours, and stamps may be late by a few milliseconds.
    margin_ms = _margin_ms(job.source)
    start_ms, end_ms = span.start_ms - margin_ms, span.end_ms + margin_ms
    ask = job.source.ask(job.wanted.server, job.wanted.symbol, start_ms, end_ms)
    name = hashlib.sha256(msgspec.json.encode((ask.url, ask.params))).hexdigest()
    path = job.out / SPOOL / f"{name}.json"
    kept = path.is_file()
    body, answer = _read_kept(job, path) if kept else _ask(job, ask)
    if not kept and not answer.ts_ms.size:
        body, answer = _ask(job, ask)
    if not kept:
        _keep(path, body)
    inside = (answer.ts_ms >= span.start_ms) & (answer.ts_ms < span.end_ms)
    digest = hashlib.sha256(body).hexdigest()
    page = Page(
        job.wanted.venue,
        job.wanted.symbol,
        span.start_ms,
        span.end_ms,
        ask.url,
        dict(ask.params),
        job.pace.now_ms(),
        digest,
        int(inside.sum()),
    )
    return _Part(page, answer, path, kept)


def _margin_ms(source: VenueSource) -> int:
    return DAY_MS if source.layout.kind == "funding" else 0


def _read_kept(job: _Job, path: Path) -> tuple[bytes, Answer]:
    body = path.read_bytes()
    try:
        return body, job.source.read(body)
    except (Busy, Cut) as error:
        raise InputError(str(path), "file", "expected a whole answer; delete it") from error


def _keep(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial")
    beside.write_bytes(body)
    beside.replace(path)


def _ask(job: _Job, ask: Ask) -> tuple[bytes, Answer]:
    """A whole answer; each failure doubles the wait unless the venue says how long."""
    delay_s = FIRST_DELAY_S
    job.pace.sleep(job.source.pause_s)
    for attempt in range(1, TRIES + 1):
        try:
            body = job.fetch(ask)
            return body, job.source.read(body)
        except (Busy, Cut) as error:
            wait_s = getattr(error, "after_s", None)
            if attempt == TRIES or (wait_s or 0.0) > LONGEST_BAN_S:
                words = f"{error}; tried {attempt} times"
                raise InputError(ask.url, job.wanted.symbol, words) from error
            job.pace.sleep(delay_s if wait_s is None else wait_s)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)
    raise AssertionError("unreachable")  # pragma: no cover


def _rows(job: _Job, parts: Sequence[_Part], gaps: Sequence[Window]) -> Rows | None:
    """The rows of all pages inside the gaps, each stamp once."""
    found = [part.answer for part in parts if part.answer.ts_ms.size]
    if not found:
        return None
    ts_ms, numbers = _merged(job, found)
    layout = job.source.layout
    if layout.kind == "funding":
        numbers["interval_h"] = _interval_h(job, ts_ms)
    inside = np.zeros(ts_ms.size, dtype=bool)
    for gap in gaps:
        inside |= (ts_ms >= gap.start_ms) & (ts_ms < gap.end_ms)
    if not inside.any():
        return None
    texts = constant_texts(texts_of(job.source, job.wanted.symbol), int(inside.sum()))
    kept = {name: numbers[name][inside] for name in layout.numbers}
    return Rows(layout, ts_ms[inside], texts, kept)


def _merged(job: _Job, found: Sequence[Answer]) -> tuple[IntArray, dict[str, FloatArray]]:
    """Answers as one, in order of time; pages that overlap must agree."""
    stamps = np.concatenate([answer.ts_ms for answer in found])
    names = found[0].numbers
    columns = {n: np.concatenate([answer.numbers[n] for answer in found]) for n in names}
    order = np.argsort(stamps, kind="stable")
    stamps = stamps[order]
    again = np.concatenate(([False], np.diff(stamps) == 0))
    for name, values in columns.items():
        columns[name] = values = values[order]
        apart = np.flatnonzero(again & (values != np.concatenate(([np.nan], values[:-1]))))
        if apart.size:
            at = format_time(int(stamps[apart[0]]))
            where = f"{job.wanted.venue} {job.wanted.what} {job.wanted.symbol}"
            raise InputError(where, name, f"two answers disagree at {at}")
    return stamps[~again], {name: values[~again] for name, values in columns.items()}


def _interval_h(job: _Job, ts_ms: IntArray) -> FloatArray:
    if job.source.interval_h:
        return np.full(ts_ms.size, float(job.source.interval_h))
    if ts_ms.size < _PRINTS_MIN:
        where = f"{job.wanted.venue} funding {job.wanted.symbol}"
        expected = (
            "expected three prints or more to tell their interval from; ask for a longer window"
        )
        raise InputError(where, "interval_h", expected)
    return spacing_h(ts_ms)


def spacing_h(ts_ms: IntArray) -> FloatArray:
    """The interval of each print, hours: the median of the spacing before it and before both its
    neighbours, so that one missing print changes none and a change of interval shows where it is.
    """
    before = np.concatenate(([ts_ms[1] - ts_ms[0]], np.diff(ts_ms)))
    sides = np.concatenate(([before[0]], before, [before[-1]]))
    return np.asarray(np.median([sides[:-2], before, sides[2:]], axis=0) / HOUR_MS, dtype=float)


def _missing(job: _Job, rows: Rows | None, gaps: Sequence[Window]) -> int:
    """Bars of the gaps that the venue did not have; of funding unknown, which its check tells."""
    layout = job.source.layout
    if layout.kind == "funding":
        return 0
    if rows is None:
        return sum((gap.end_ms - gap.start_ms) // job.source.step_ms for gap in gaps)
    (series,) = series_of(rows)
    return sum(int(missing_bars(series, gap).size) for gap in gaps)
