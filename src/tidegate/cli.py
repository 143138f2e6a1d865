# SPDX-License-Identifier: Apache-2.0
"""The commands. Standard output carries the answer, standard error everything else.

Exit status: 0 done, 1 a negative answer, 2 bad input, said in one line, 74 (EX_IOERR of sysexits)
where an answer or a file could not be written.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from tidegate import __version__
from tidegate.audit import audit_arguments
from tidegate.backtest import arguments as backtest_arguments
from tidegate.backtest.crisis.arguments import crisis_commands
from tidegate.engine.plan import arguments
from tidegate.history import forecast_arguments
from tidegate.history.intake.data_arguments import data_commands
from tidegate.live import run_arguments
from tidegate.live.vault import vault_arguments
from tidegate.model.errors import InputError
from tidegate.simulation.fit_command import EXAMPLE, fit
from tidegate.venues import paper_arguments
from tidegate.venues.accounts import observe_arguments
from tidegate.venues.exchanges import session_arguments

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Decides where a derivatives book's capital should be, and keeps a record of why.",
)

STOPPED = 128 + signal.SIGINT
UNWRITTEN, FULL = 74, frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO))
REPOSITORY = Path(__file__).resolve().parents[2]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
CORES = min(os.cpu_count() or 1, 64)
Jobs = Annotated[int, typer.Option(min=1, max=64, help="Processes to run policies on.")]


def data_folder() -> Path:
    """The market data: TIDEGATE_DATA, else ../shared/market-data beside the repository."""
    return Path(os.environ.get("TIDEGATE_DATA") or REPOSITORY / "../shared/market-data")


def _page(title: str, body: str, figures: Mapping[str, object]) -> str:
    from tidegate.engine.page import page

    return page(title, body, figures)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidegate {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before the command."""


app.command(epilog=backtest_arguments.EXAMPLE)(backtest_arguments.command(data_folder))


@app.command(epilog="Example: tidegate verify out/carry")
def verify(
    folder: Annotated[Path, typer.Argument(help="A folder that backtest wrote, or a journal.")],
    public_key: Annotated[str | None, typer.Option(help="NAME+ID+BASE64, or its file.")] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            "--anchor", "--checkpoint", help="Of one journal: FILE or git:FOLDER; repeatable."
        ),
    ] = None,
    chain: Annotated[
        list[Path] | None,
        typer.Option(help="Of one journal: a file of roots that a contract holds; repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Check a record: every journal's frames, approvals, ledger and claims; exit 1 if any fails."""
    if anchor or public_key or chain:
        from tidegate.audit.commands import check_journal

        known = (folder, None, public_key, anchor or [])
        if not check_journal(*known, as_json=json, chains=chain or ()):
            raise typer.Exit(1)
        return
    from tidegate.backtest.commands import verify_folder

    if not verify_folder(folder, as_json=json):
        raise typer.Exit(1)


@app.command(epilog="Example: tidegate replay out/demo/journals/tidegate-4.journal")
def replay(
    journal: Annotated[Path, typer.Argument(help="A sealed journal of policy tidegate.")],
    resolve: Annotated[
        bool, typer.Option("--resolve/--no-resolve", help="Also solve every programme again.")
    ] = True,
    json: Json = False,
) -> None:
    """Make every decision of a journal again from its inputs; exit 1 at the first difference."""
    from tidegate.audit.replay_command import replay_journal

    if not replay_journal(journal, resolves=resolve, as_json=json):
        raise typer.Exit(1)


app.command(epilog=arguments.EXAMPLE)(arguments.plan)


app.command(epilog=observe_arguments.EXAMPLE)(observe_arguments.observe)


@app.command(
    epilog="Example: tidegate margin examples/margin/deribit_portfolio.json "
    '--what-if "buy 60000 BTC-PERPETUAL at 60000" --html margin.html'
)
def margin(
    book: Annotated[
        Path | None, typer.Argument(help="One account, a JSON file; see docs/margin-books.md.")
    ] = None,
    rule: Annotated[
        str | None, typer.Option(help="Another rule than the file's, for which it says enough.")
    ] = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option(help='"buy|sell SIZE SYMBOL [at PRICE]"; repeatable, all are filled.'),
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List every rule instead.")] = False,
    html: Annotated[Path | None, typer.Option(help="Page to write, with charts.")] = None,
    json: Json = False,
) -> None:
    """Margin of one account under its venue's rule; exit 1 if it is below maintenance."""
    if rules:
        from tidegate.engine.margin_book.listing import show_rules

        return show_rules(as_json=json)
    if book is None:
        raise InputError("tidegate margin", "BOOK", "expected a JSON file, or --rules")
    from tidegate.engine.margin_book.command import Request, show_margin

    if not show_margin(Request(book, rule, tuple(what_if or ()), html), as_json=json):
        raise typer.Exit(1)


@app.command(epilog="Example: tidegate surface chain.parquet --at 2026-02-06T00:00Z --html s.html")
def surface(
    chain: Annotated[Path, typer.Argument(help="Option chains, a Parquet file.")],
    at: Annotated[
        str | None, typer.Option(help="UTC time; the last snapshot not after it. Default: the end.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="One coin of the file; else each.")] = None,
    html: Annotated[Path | None, typer.Option(help="Page to write, with charts.")] = None,
    json: Json = False,
) -> None:
    """Fit a surface free of arbitrage to a chain; exit 1 if none can be fitted or it holds any."""
    from tidegate.history.surface_command import Request, show_surfaces

    if not show_surfaces(Request(chain, at, currency, html), _page, as_json=json):
        raise typer.Exit(1)


app.command(epilog=forecast_arguments.EXAMPLE)(forecast_arguments.command(data_folder, _page))


@app.command(epilog="Example: tidegate demo --crisis gap --policies tidegate,desk,threshold=4")
def demo(
    crisis: Annotated[
        str,
        typer.Option(help="calm, crash, gap, squeeze, freeze, depeg or insolvency."),
    ] = "freeze",
    seed: Annotated[
        str, typer.Option(metavar="N", help="Seed of market and latencies.")
    ] = "1000055",
    policies: Annotated[
        str,
        typer.Option(help="tidegate, per-venue, threshold, fixed, desk, cash; or NAME=LEVERAGE."),
    ] = "tidegate,desk,per-venue,threshold,fixed",
    out: Annotated[Path, typer.Option(help="Folder to write; an earlier demo is replaced.")] = Path(
        "out/demo"
    ),
    jobs: Jobs = CORES,
    json: Json = False,
) -> None:
    """A hedged book on four generated venues, a calm week, a crisis: Tidegate and plain rules."""
    from tidegate.backtest.demo import Words, run_demo

    run_demo(Words(crisis, seed, policies), out, jobs, as_json=json)


@app.command(epilog="Example: tidegate faults --first-seed 1 --seeds 20")
def faults(
    first_seed: Annotated[int, typer.Option("--first-seed", min=0, help="The first seed.")] = 1,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 20,
    ticks: Annotated[int, typer.Option(min=600, help="Seconds of faults in each.")] = 5_000,
    out: Annotated[
        Path | None, typer.Option(help="Page to write: how often each fault met each state.")
    ] = None,
    json: Json = False,
) -> None:
    """Run the engine against simulated faults, drawn from seeds; exit 1 if a promise is broken."""
    from tidegate.simulation.faults.command import run_faults

    if not run_faults(range(first_seed, first_seed + seeds), ticks, out, as_json=json):
        raise typer.Exit(1)


LatchFolder = Annotated[
    Path | None, typer.Option("--latch", help="The latch's folder; TIDEGATE_LATCH names it too.")
]
Who = Annotated[str, typer.Option(help="Your name; the user of this machine if not said.")]


@app.command(epilog='Example: tidegate kill --latch out/drill/latch --why "prices are wrong"')
def kill(
    latch: LatchFolder = None,
    who: Who = "",
    why: Annotated[str, typer.Option(help="Why; better said late than stopped late.")] = "not said",
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait until all is quiet.")] = 5.0,
    config: Annotated[
        Path | None, typer.Option(help="The watchdog's settings: cancel from here as well.")
    ] = None,
    json: Json = False,
) -> None:
    """Stop everything: nothing is sent any more, every order is cancelled; exit 1 if any may work.

    It needs neither the engine nor the watchdog. `tidegate resume`, by two people, lifts it.
    """
    from tidegate.venues.kill_command import Ask, kill, latch_of, this_user

    folder = _given(latch_of(_latch_folder(latch), config))
    if not kill(folder, Ask(who or this_user(), why, wait, config), as_json=json):
        raise typer.Exit(1)


@app.command(epilog="Example: tidegate resume --latch out/drill/latch --who anna --key anna.key")
def resume(
    key: Annotated[Path, typer.Option(help="File of mode 0600 with your private key.")],
    latch: LatchFolder = None,
    who: Who = "",
    json: Json = False,
) -> None:
    """Consent to lift a kill, one of two operators; exit 1 while another is missing."""
    from tidegate.venues.kill_command import resume, this_user

    if not resume(_given(_latch_folder(latch)), who or this_user(), key, as_json=json):
        raise typer.Exit(1)


@app.command(epilog="Example: tidegate latch out/drill/latch --new")
def latch(
    folder: Annotated[Path | None, typer.Argument(help="The latch's folder.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Make a latch that is not set.")] = False,
    new_key: Annotated[
        Path | None, typer.Option(help="Make an operator's key here, print its public one.")
    ] = None,
    json: Json = False,
) -> None:
    """Show who stopped everything, when and why; exit 1 while nothing may be sent."""
    from tidegate.execution.latch import Latch
    from tidegate.venues.kill_command import make_key, show_latch

    if new_key is not None:
        return make_key(new_key)
    if new:
        Latch.create(_given(_latch_folder(folder)))
    if not show_latch(_given(_latch_folder(folder)), as_json=json):
        raise typer.Exit(1)


@app.command(epilog="Example: tidegate watchdog out/drill/watchdog.toml")
def watchdog(
    config: Annotated[Path, typer.Argument(help="The watchdog's settings, a TOML file.")],
) -> None:
    """Watch latch and engine; when either says so, stop all and cancel every order everywhere."""
    from tidegate.venues.watchdog_command import run_watchdog

    run_watchdog(config)


app.command(epilog=paper_arguments.EXAMPLE)(paper_arguments.paper)


app.command(epilog=session_arguments.EXAMPLE)(session_arguments.session)


app.command(epilog=run_arguments.EXAMPLE)(run_arguments.run)


def _latch_folder(said: Path | None) -> Path | None:
    named = os.environ.get("TIDEGATE_LATCH")
    return said or (Path(named) if named else None)


def _given(folder: Path | None) -> Path:
    if folder is None:
        raise InputError("tidegate", "latch", "expected --latch FOLDER, or TIDEGATE_LATCH")
    return folder


app.add_typer(audit_arguments.commands, name="audit")
app.add_typer(data_commands(data_folder), name="data")
app.add_typer(crisis_commands(data_folder), name="crisis")


app.add_typer(vault_arguments.commands, name="vault")
world_app = typer.Typer(no_args_is_help=True, help="Policies on generated markets, in pairs.")
app.add_typer(world_app, name="world")
WorldName = Annotated[str, typer.Option("--world", help="The market's maker: first or second.")]
FirstSeed = Annotated[int, typer.Option("--first-seed", min=0, help="The first seed.")]
Seeds = Annotated[int, typer.Option(min=2, help="How many seeds, one contest each.")]
Folder = Annotated[Path | None, typer.Option(help="Folder for scores; taken up if it has some.")]
Fitted = Annotated[
    Path | None, typer.Option("--parameters", help="Of the first world, as `world fit` writes.")
]


@world_app.command(epilog="Example: tidegate world study --seeds 40 --out out/study")
def study(
    world: WorldName = "first",
    first_seed: FirstSeed = 1_000_000,
    seeds: Seeds = 40,
    out: Folder = None,
    jobs: Jobs = CORES,
    parameters: Fitted = None,
    json: Json = False,
) -> None:
    """Tidegate beside every rule on the same seeds: who is liquidated, what is kept and lost."""
    from tidegate.backtest.trial.commands import run_world_study

    run_world_study(world, (first_seed, seeds), (out, jobs), parameters, as_json=json)


@world_app.command(epilog="Example: tidegate world ablations --seeds 36 --out out/ablations")
def ablations(
    world: WorldName = "first",
    first_seed: FirstSeed = 1_000_000,
    seeds: Seeds = 36,
    out: Folder = None,
    jobs: Jobs = CORES,
    parameters: Fitted = None,
    json: Json = False,
) -> None:
    """What buffers, transfers, reductions and cadence are each worth, as Shapley shares."""
    from tidegate.backtest.trial.commands import run_ablations

    run_ablations(world, (first_seed, seeds), (out, jobs), parameters, as_json=json)


@world_app.command(epilog="Example: tidegate world killer --seeds 6 --out out/killer")
def killer(
    first_seed: FirstSeed = 1_000_000,
    seeds: Seeds = 6,
    leverage: Annotated[float, typer.Option(min=0.5, max=50, help="Gross limit.")] = 4.0,
    out: Folder = None,
    jobs: Jobs = CORES,
    parameters: Fitted = None,
    json: Json = False,
) -> None:
    """Search for the smallest move that liquidates Tidegate, by speed and by what fails with it."""
    from tidegate.backtest.trial.commands import run_killer_search

    run_killer_search((first_seed, seeds), leverage, (out, jobs), parameters, as_json=json)


@world_app.command(epilog="Example: tidegate world chain --crisis crash --out chain.parquet")
def chain(
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
    crisis: Annotated[
        str, typer.Option(help="calm, crash, gap, squeeze, freeze, depeg or insolvency.")
    ] = "calm",
    at: Annotated[
        list[float] | None,
        typer.Option(help="Hours after the crisis begins (1), or before: -24; repeatable."),
    ] = None,
    coin: Annotated[str, typer.Option(help="BTC or ETH, whose options settle in coin.")] = "BTC",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the market.")] = 6,
    parameters: Fitted = None,
    json: Json = False,
) -> None:
    """Write option chains of a generated market in the layout of recorded ones."""
    from tidegate.backtest.trial.commands import write_world_chain

    write_world_chain((crisis, seed), at or [1.0], coin, out, parameters, as_json=json)


world_app.command(epilog=EXAMPLE)(fit)


def main() -> None:
    """Entry point: bad input becomes one line and exit status 2; a kill leaves nothing behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(_stopped())
    except OSError as error:
        if error.errno not in FULL:
            raise
        print(f"tidegate: expected room to write: {error}", file=sys.stderr)
        _end(UNWRITTEN)
    except SystemExit as ended:
        # The library ends so where a reader has gone, which is no negative answer.
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        _end(128 + signal.SIGPIPE)
    except Exception as error:
        # The library's own words may be several lines, and are none where it has shown its help.
        words = getattr(error, "format_message", None)
        if words is None and not isinstance(error, InputError):
            raise
        if told := " ".join((words() if words else str(error)).split()):
            print(f"tidegate: {told}", file=sys.stderr)
        sys.exit(2)
    # The library turns Ctrl-C into this status, without a word.
    sys.exit(_stopped() if status == STOPPED else status or 0)


def _end(status: int) -> NoReturn:
    """What is still buffered goes nowhere, so that no flush complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _stopped() -> int:
    print("tidegate: stopped", file=sys.stderr)
    return STOPPED


if __name__ == "__main__":
    main()
