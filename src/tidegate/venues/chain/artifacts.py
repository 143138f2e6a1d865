# SPDX-License-Identifier: Apache-2.0
"""Contracts as Hardhat writes them: ABI, creation code, and the libraries that it still lacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.model.errors import InputError

Abi = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Artifact:
    """One contract. `links` gives for each library the places of its address, as byte offsets.

    `code` is the creation code in hexadecimal digits without `0x`; the places hold no address yet.
    """

    name: str
    abi: Abi
    code: str
    links: Mapping[str, tuple[int, ...]]

    def linked(self, libraries: Mapping[str, str]) -> bytes:
        """The creation code with the libraries' addresses in it; InputError for one that lacks."""
        code = self.code
        for library, starts in self.links.items():
            if library not in libraries:
                raise InputError(self.name, "library", f"expected the address of {library}")
            address = libraries[library].removeprefix("0x").lower()
            for start in starts:
                code = f"{code[: 2 * start]}{address}{code[2 * start + 40 :]}"
        return bytes.fromhex(code)


def read_artifact(path: Path) -> Artifact:
    """The contract in one of Hardhat's files; raises `InputError` where there is no code."""
    content = json.loads(path.read_text(encoding="utf-8"))
    code = content.get("bytecode", "0x").removeprefix("0x")
    if not code:
        raise InputError(path.name, "bytecode", "expected creation code, found none")
    links = {
        name: tuple(int(place["start"]) for place in places)
        for libraries in content.get("linkReferences", {}).values()
        for name, places in libraries.items()
    }
    return Artifact(path.stem, content["abi"], code, links)


class Artifacts:
    """The contracts of one unpacked package by name; interfaces, which have no code, left out."""

    def __init__(self, package: Path, inside: str = "artifacts") -> None:
        self._folder = package / inside

    def __getitem__(self, name: str) -> Artifact:
        """Of several files of that name the first that has code, in order of their paths."""
        for path in sorted(self._folder.rglob(f"{name}.json")):
            try:
                return read_artifact(path)
            except InputError:
                continue
        raise InputError(self._folder.parent.name, name, "expected such a contract, found none")
