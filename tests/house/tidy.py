# SPDX-License-Identifier: Apache-2.0
"""Rules of style that a linter does not know, each a function from sources to findings.

A finding is one line of text that names the place. The patterns below are written so that they do
not match themselves (`TOD[O]`), because this file is scanned like any other.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 500
PARAMETERS_MAX = 6

PURE_ROOMS = frozenset(
    "model ledger pricing margin costs forecast signals risk allocation ports".split()
)
# Programmes that stand in a pure room, beside what they measure, and only read files for it.
EDGES = frozenset({"src/tidegate/pricing/evidence.py"})
# Only model reads and prints times; everywhere else a time is an integer.
ROOMS_WITH_DATETIME = frozenset({"model"})

SPDX = "# SPDX-License-Identifier: Apache-2.0"
# The contracts are a distribution of their own (docs/adr/0008).
SPDX_CONTRACTS = "# SPDX-License-Identifier: AGPL-3.0-only"
FOLDERS = ("src", "tests", "docs", "benchmarks", "examples", "contracts", ".ci")
TEXT_SUFFIXES = frozenset(
    ".py .pyi .md .toml .json .yml .yaml .txt .lock .cfg .ini .sh .svg .html .sql .vy .vyi".split()
)
TEXT_NAMES = frozenset({"Makefile", "LICENSE", ".gitignore", "run"})

VAGUE_NAMES = frozenset("utils util helpers helper common manager managers base misc".split())

IMPURE_MODULES = frozenset(
    """
    time random secrets uuid sched zoneinfo locale
    os io pathlib shutil tempfile glob fileinput mmap pickle shelve dbm sqlite3 logging
    socket ssl select selectors signal asyncio threading multiprocessing subprocess concurrent
    urllib http ftplib smtplib webbrowser getpass platform ctypes importlib builtins
    duckdb requests httpx aiohttp websockets ccxt web3 dask typer rich plotly
    numpy.random numpy.load numpy.save numpy.savez numpy.savez_compressed numpy.loadtxt
    numpy.savetxt numpy.genfromtxt numpy.fromfile numpy.memmap scipy.io
    """.split()
)
# A generator that the caller seeds may be an argument; making one may not.
PURE_EXCEPTIONS = frozenset({"numpy.random.Generator"})
IMPURE_CALLS = frozenset("open input print exec eval compile __import__ breakpoint hash id".split())
NETWORK_MODULES = frozenset(
    """
    socket ssl socketserver asyncio http urllib ftplib smtplib xmlrpc webbrowser
    requests httpx aiohttp websockets ccxt web3 dask distributed
    """.split()
)
# Only these may open a connection or a port: the paper servers and a gateway on loopback alone,
# streams towards venues, the reader of venues' public history, the ways to a chain's node and to a
# cluster, when a user asks for it; SECURITY.md says so too.
NETWORK_DOORS = frozenset(
    f"src/tidegate/{path}.py"
    for path in (
        "venues/paper_server",
        "venues/remote",
        "venues/streams/book_feed",
        "venues/streams/connection",
        "venues/streams/loop_thread",
        "live/market_streams",
        "venues/vault/node",
        "live/vault/ground",
        "live/vault/local_chain",
        "live/vault/show_command",
        "venues/deribit_server/server",
        "venues/both_command",
        "venues/chain/client",
        "venues/exchanges/client",
        "venues/hyperliquid_server/command",
        "venues/hyperliquid_server/connection",
        "venues/hyperliquid_server/server",
        "history/intake/public_http",
        "backtest/sweep/cluster",
    )
)
IMPURE_METHODS = frozenset(
    """
    now utcnow today fromtimestamp read_text write_text read_bytes write_bytes mkdir unlink
    tofile rvs
    """.split()
)

LEFTOVERS = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b")
WORKPLACE = (
    (re.compile(r"(?<![\w.])/(?:wor[k]|roo[t]|hom[e])/\w"), "a path of one machine"),
    (re.compile(r"/tm[p]/(?:v|brief|bash_jobs)\b"), "a path of one machine"),
    (
        re.compile(
            r"pypi\.or[g]|pythonhoste[d]|(?<!\w)--(?:extra-)?index-ur[l]|(?<!\w)--find-link[s]"
        ),
        "the address of a package registry",
    ),
    (
        re.compile(
            r"\b(?:this|my|our|previous|last|next) sessio[n]\b|\b(?:system|the|this|my) promp[t]\b"
            r"|\b(?:the|my|your) brie[f]\b|\bteammat[e]s?\b|\bsub-?agen[t]s?\b|\blanguage mode[l]"
            r"|\bLL[M]s?\b|\bAI (?:assistan[t]|agen[t]|mode[l])|\bchatbo[t]",
            re.IGNORECASE,
        ),
        "a word about how the text was made",
    ),
)


@dataclass(frozen=True, slots=True)
class Source:
    """One text file: its path from the repository's root, in POSIX form, and its content."""

    path: str
    text: str

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def is_package(self) -> bool:
        return self.is_python and self.path.startswith("src/")

    @property
    def room(self) -> str:
        """`risk` for src/tidegate/risk/gate.py and for src/tidegate/risk.py, else empty."""
        parts = self.path.split("/")
        return parts[2].removesuffix(".py") if parts[:2] == ["src", "tidegate"] else ""

    @property
    def tree(self) -> ast.Module:
        """What Python reads in it."""
        return parsed(self.text)

    def functions(self) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        yield from _functions(self.tree, self.path + "::")


@cache
def parsed(text: str) -> ast.Module:
    """A text's tree, made once for all who look at it and change nothing in it."""
    return ast.parse(text)


def _functions(
    node: ast.AST, prefix: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            continue  # No function is defined within an expression but one without a name.
        inner = prefix
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{prefix}{child.name}."
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + child.name, child
        yield from _functions(child, inner)


def sources(root: Path) -> tuple[Source, ...]:
    """Every text file that belongs to the project, in order of its path."""
    inside = (path for folder in FOLDERS for path in (root / folder).rglob("*"))
    files = sorted(path for path in (*root.iterdir(), *inside) if _is_text(path))
    return tuple(
        Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
        for path in files
    )


def _is_text(path: Path) -> bool:
    named = path.suffix in TEXT_SUFFIXES or path.name in TEXT_NAMES
    return path.is_file() and named and "__pycache__" not in path.parts


def ratchet(sizes: Mapping[str, int], limit: int, known: Mapping[str, int]) -> list[str]:
    """What is over the limit and not known at that size, and what is known without need."""
    over = {name: size for name, size in sizes.items() if size > limit}
    found = [
        f"{name}: {size}, over the limit of {limit}"
        for name, size in over.items()
        if name not in known
    ]
    for name, size in known.items():
        if name not in over:
            found.append(f"{name}: is within {limit} now; remove it from the known exceptions")
        elif over[name] > size:
            found.append(f"{name}: grew from {size} to {over[name]}")
        elif over[name] < size:
            found.append(f"{name}: shrank to {over[name]}; note the new size")
    return found


def function_lines(files: Iterable[Source]) -> dict[str, int]:
    """Lines of each function, docstring included, decorators not."""
    return {
        name: (node.end_lineno or node.lineno) - node.lineno + 1
        for file in files
        if file.is_python
        for name, node in file.functions()
    }


def file_lines(files: Iterable[Source]) -> dict[str, int]:
    return {file.path: len(file.text.splitlines()) for file in files if file.is_python}


def parameter_counts(files: Iterable[Source]) -> dict[str, int]:
    """Parameters of each function of the package, `self` and `cls` not counted."""
    counts = {}
    for file in files:
        if file.is_package:
            for name, node in file.functions():
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                given += [arg for arg in (node.args.vararg, node.args.kwarg) if arg]
                counts[name] = sum(arg.arg not in {"self", "cls"} for arg in given)
    return counts


class _Purity(ast.NodeVisitor):
    """Collects what reaches for a clock, chance, the environment, files or the network."""

    def __init__(self, file: Source) -> None:
        self.file = file
        self.banned = IMPURE_MODULES
        if file.room not in ROOMS_WITH_DATETIME:
            self.banned |= {"datetime"}
        self.names: dict[str, str] = {}
        self.found: list[str] = []

    def _note(self, node: ast.stmt | ast.expr, what: str) -> None:
        self.found.append(f"{self.file.path}:{node.lineno}: {what} in a pure room")

    def _check(self, node: ast.stmt | ast.expr, dotted: str) -> None:
        parts = dotted.split(".")
        heads = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
        if heads & self.banned and dotted not in PURE_EXCEPTIONS:
            self._note(node, dotted)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            first = alias.name.split(".")[0]
            self.names[alias.asname or first] = alias.name if alias.asname else first
            self._check(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            dotted = f"{node.module}.{alias.name}"
            self.names[alias.asname or alias.name] = dotted
            if node.level == 0:
                self._check(node, dotted)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in IMPURE_METHODS:
            self._note(node, f".{node.attr}")
        chain, root = [node.attr], node.value
        while isinstance(root, ast.Attribute):
            chain.append(root.attr)
            root = root.value
        if not isinstance(root, ast.Name):
            self.visit(root)
        elif "." in (dotted := ".".join([self.names.get(root.id, ""), *reversed(chain)])):
            self._check(node, dotted)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            self._note(node, f"{node.func.id}()")
        self.generic_visit(node)


def impurities(files: Iterable[Source]) -> list[str]:
    found = []
    for file in files:
        if file.is_package and file.room in PURE_ROOMS and file.path not in EDGES:
            visitor = _Purity(file)
            visitor.visit(file.tree)
            found += visitor.found
    return found


def network_imports(files: Iterable[Source]) -> list[str]:
    """Modules of the package that could open a connection and are none of the doors."""
    found = []
    for file in files:
        inside = file.is_package and file.path not in NETWORK_DOORS
        for node in ast.walk(file.tree) if inside else ():
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names = [node.module]
            found += [
                f"{file.path}:{node.lineno}: {name} reaches for the network"
                for name in names
                if name.split(".")[0] in NETWORK_MODULES
            ]
    return found


def vague_names(files: Iterable[Source]) -> list[str]:
    return [
        f"{file.path}: the name {part!r} says nothing; use the field's word for what is inside"
        for file in files
        if file.is_python
        for part in (part.removesuffix(".py") for part in file.path.split("/"))
        if part.strip("_").lower() in VAGUE_NAMES
    ]


def missing_licence_lines(files: Iterable[Source]) -> list[str]:
    """Python and Vyper files without their SPDX line as the first, or second after a `#!` line."""
    found = []
    for file in files:
        vyper = file.path.endswith((".vy", ".vyi"))
        expected = SPDX_CONTRACTS if vyper or file.path.startswith("contracts/") else SPDX
        lines = [line for line in file.text.splitlines()[:2] if not line.startswith("#!")]
        if (file.is_python or vyper) and lines[:1] != [expected]:
            found.append(f"{file.path}:1: expected {expected!r}")
    return found


def leftovers(files: Iterable[Source]) -> list[str]:
    return [
        f"{file.path}:{number}: {match[0]} is left over"
        for file in files
        for number, line in enumerate(file.text.splitlines(), 1)
        if (match := LEFTOVERS.search(line))
    ]


def workplace_words(files: Iterable[Source]) -> list[str]:
    return [
        f"{file.path}:{number}: {match[0]!r} is {what}"
        for file in files
        for number, line in enumerate(file.text.splitlines(), 1)
        for pattern, what in WORKPLACE
        if (match := pattern.search(line))
    ]


Rule = Callable[[Iterable[Source]], list[str]]
RULES: tuple[Rule, ...] = (
    impurities,
    network_imports,
    vague_names,
    missing_licence_lines,
    leftovers,
    workplace_words,
)
