# SPDX-License-Identifier: Apache-2.0
"""Events a second of the compiled exchange, beside plain Python, hftbacktest and nautilus_trader.

`python benchmarks/exchange_kernel.py` prints a table, `--json` everything as JSON; `--quick`
measures small cases in seconds. One thread on one core; medians of interleaved rounds in processor
time; what is prepared before a run is not counted. Each engine counts the rows of its own feed, and
each models something else: the last column says what, and a ratio is no more than that. A peer that
is not installed is listed as missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.side_by_side import exchange_peers as peers
from benchmarks.side_by_side.exchanges import Prepared as Contestant
from benchmarks.side_by_side.exchanges import (
    World,
    decided,
    opened,
    plain_loop,
    played,
    world,
)
from benchmarks.side_by_side.machine import description, use_one_thread, version
from benchmarks.side_by_side.timing import Run, Timing

ROUNDS, EVENTS, QUICK_EVENTS = 5, 4_000_000, 6_000
AIM_PER_S, AIM_HFT, AIM_NAUTILUS = 20e6, 3.0, 100.0
OURS, DECIDED = "Tidegate", "Tidegate, Python every 1,000"
TWIN, LOOP = "plain twin", "plain loop"
ROI, MAP, NAUTILUS = "hftbacktest, ROI vector", "hftbacktest, hash map", "nautilus_trader"
MODELS = {
    OURS: "5 venues x 10 perpetuals in integers: every mark revalues equity and tiered maintenance "
    "and may liquidate; funding; market orders with spread, impact and fee; resting orders with "
    "queue; transfers in flight; a log. No market depth by level.",
    DECIDED: "the same, and every 1,000 events Python hears all and sends its four requests",
    TWIN: "the same tape through the exchange in plain Python: equal event by event",
    LOOP: "the same tape: marks, running equity and maintenance, funding; nothing else",
    ROI: "1 instrument, floats: rows of level-2 depth in two books, order and feed latency, queue "
    "model, limit order every 1,000 quotes. No account margin, liquidation or funding.",
    MAP: "the same, with depth in a hash map",
    NAUTILUS: "1 instrument, decimals in fixed point: quotes, matching engine, margin account, "
    "cache, message bus, a Python strategy that hears every quote; logging and risk bypassed. No "
    "liquidation.",
}
PEERS = {ROI: "hftbacktest", MAP: "hftbacktest", NAUTILUS: "nautilus_trader"}
LICENCES = {"hftbacktest": "MIT", "nautilus_trader": "LGPL-3.0-or-later"}


def ours(made: World, small: World) -> list[Contestant]:
    return [
        Contestant(OURS, made.things, played(made)),
        Contestant(DECIDED, made.things, decided(made)),
        Contestant(LOOP, small.tape.ts_ms.size, plain_loop(small)),
        Contestant(TWIN, small.things, played(small, plain=True)),
    ]


def others(events: int) -> tuple[list[Contestant], dict[str, str]]:
    """Peers that are here, and why others are not."""
    makers: dict[str, Callable[[], tuple[int, Callable[[], Callable[[], object]]]]] = {
        ROI: lambda: peers.hftbacktest(events // 3, True),
        MAP: lambda: peers.hftbacktest(events // 3, False),
        NAUTILUS: lambda: peers.nautilus_trader(max(2_000, events // 20)),
    }
    found, missing = [], {}
    for name, maker in makers.items():
        try:
            found.append(Contestant(name, *maker()))
        except ImportError as error:
            missing[name] = f"cannot be imported: {error}"
    return found, missing


def measured(contestants: Sequence[Contestant]) -> dict[str, Timing]:
    """One run of each in every round; a first one, which compiles, is not counted."""
    runs: dict[str, list[Run]] = {each.name: [] for each in contestants}
    for turn in range(ROUNDS + 1):
        for each in contestants:
            run = each.timed(1)
            if turn:
                runs[each.name].append(run)
    return {
        each.name: Timing(each.name, each.things, 1, tuple(runs[each.name])) for each in contestants
    }


def same(small: World) -> bool:
    """Whether the kernel and its twin tell the same of a world, event by event."""
    told = []
    for plain in (False, True):
        exchange = opened(small, plain)
        exchange.ask(small.requests)
        exchange.run()
        told.append(exchange.told())
    return bool(told[0] == told[1] and told[0])


def aims(timings: dict[str, Timing]) -> list[tuple[str, str, bool]]:
    """Each aim, what was reached, whether it was met; an absent peer leaves its aim unmet."""
    rates = {name: 1 / timing.median_s for name, timing in timings.items()}
    found = [
        ("20 million events a second", f"{rates[OURS] / 1e6:.1f} million", rates[OURS] >= AIM_PER_S)
    ]
    fastest = max((rates[name] for name in (ROI, MAP) if name in rates), default=0.0)
    for name, rate, aim in (
        ("hftbacktest's fastest", fastest, AIM_HFT),
        (NAUTILUS, rates.get(NAUTILUS, 0.0), AIM_NAUTILUS),
    ):
        reached = f"{rates[OURS] / rate:.1f} x" if rate else "not measured"
        met = bool(rate) and rates[OURS] >= aim * rate
        found.append((f"{aim:.0f} x {name}", reached, met))
    return found


def main(given: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="small cases")
    options = parser.parse_args(given)
    about = description(use_one_thread())
    events = QUICK_EVENTS if options.quick else EVENTS
    small = world(min(events, 100_000), seed=8)
    assert same(world(3_000, seed=9)), "the kernel and its twin disagree"
    found, missing = others(events)
    timings = measured([*ours(world(events), small), *found])
    rows = [
        {
            "name": name,
            "events_per_s": 1 / timing.median_s,
            "events": timing.things,
            "spread": timing.spread,
            "models": MODELS[name],
        }
        for name, timing in timings.items()
    ]
    versions = {peer: version(peer) or "absent" for peer in LICENCES}
    if options.json:
        left_out = {"missing": missing, "peers": versions, "licences": LICENCES}
        print(json.dumps({**about, **left_out, "rows": rows, "aims": aims(timings)}))
        return
    print("; ".join(f"{key} {value}" for key, value in (about | versions).items()))
    print("| engine | million events a second | time of ours | spread | what it models |")
    print("|---|---|---|---|---|")
    for name, timing in timings.items():
        ratio = timing.times_slower_than(timings[OURS])
        rate = f"{1e-6 / timing.median_s:.3g} | {ratio:.3g} | {timing.spread:.2f}"
        print(f"| {name} | {rate} | {MODELS[name]} |")
    for name, why in missing.items():
        print(f"| {name} | missing: {why} | | | {MODELS[name]} |")
    for aim, reached, met in aims(timings):
        print(f"{'met    ' if met else 'not met'} {aim}: {reached}")


if __name__ == "__main__":
    main(sys.argv[1:])
