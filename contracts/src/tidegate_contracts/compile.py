# SPDX-License-Identifier: AGPL-3.0-only
"""Compiles the contracts with the pinned compiler: `python -m tidegate_contracts.compile`."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sysconfig
import warnings
from pathlib import Path
from typing import Any

from tidegate_contracts import ARTIFACTS, SOURCES

FOLDERS = (".", "adapters", "testing")
MODULES = frozenset({"book", "checks", "orders", "pricing", "ranges", "timelock"})
SNEKMATE = "0.1.2"


def contract_files() -> tuple[Path, ...]:
    """Every source that is deployed by itself, in order of its name."""
    found = (path for folder in FOLDERS for path in (SOURCES / folder).glob("*.vy"))
    return tuple(sorted((p for p in found if p.stem not in MODULES), key=lambda p: p.stem))


def compile_file(path: Path) -> dict[str, Any]:
    """One contract's artifact: name, ABI, bytecode, size, compiler and digests of our sources."""
    import vyper
    from vyper.compiler import CompilerData
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.output import build_abi_output

    if (found := importlib.metadata.version("snekmate")) != SNEKMATE:
        raise RuntimeError(f"snekmate: expected {SNEKMATE}, found {found}")
    # The compiler's library does not look where packages are installed; its command line does.
    bundle = FilesystemInputBundle([Path(sysconfig.get_path("purelib")), SOURCES])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = CompilerData(bundle.load_file(path), input_bundle=bundle)
        return {
            "name": path.stem,
            "abi": build_abi_output(data),
            "bytecode": data.bytecode.hex(),
            "runtime_bytes": len(data.bytecode_runtime) + _immutable_bytes(data),
            "compiler": f"vyper {vyper.__version__}, snekmate {SNEKMATE}",
            "sources": _digests(path),
        }


def _immutable_bytes(data: Any) -> int:
    """What creation appends to the code: it counts against the limit of a contract's size."""
    return int(data.compilation_target._metadata["type"].immutable_section_bytes)


def _digests(path: Path) -> dict[str, str]:
    """SHA-256 of the contract's file and of all that any contract may import from us."""
    shared = [*(SOURCES / "interfaces").glob("*.vyi"), *(SOURCES / f"{m}.vy" for m in MODULES)]
    return {_name(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted([path, *shared])}


def _name(path: Path) -> str:
    inside = path.is_relative_to(SOURCES)
    return path.relative_to(SOURCES).as_posix() if inside else path.name


def text(artifact: dict[str, Any]) -> str:
    """An artifact as it is written to disk."""
    return json.dumps(artifact, indent=1) + "\n"


def main() -> None:
    """Writes every artifact anew."""
    ARTIFACTS.mkdir(exist_ok=True)
    for path in contract_files():
        artifact = compile_file(path)
        (ARTIFACTS / f"{path.stem}.json").write_text(text(artifact), encoding="utf-8")
        print(f"{path.stem}: {artifact['runtime_bytes']} bytes")


if __name__ == "__main__":
    main()
