# SPDX-License-Identifier: Apache-2.0
"""Packages of npm, fetched by `npm pack` without their dependencies, checked and unpacked once.

`python -m tidegate.venues.chain.npm FOLDER` fetches all that `make test-chain` needs.
"""

from __future__ import annotations

import base64
import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tidegate.model.errors import InputError

NEEDS = "install Node.js 20 or newer with npm 10 or newer"
_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Package:
    """One version of one package; `sha512` is npm's integrity, in base64 as npm tells it."""

    name: str
    version: str
    sha512: str

    @property
    def label(self) -> str:
        """As npm writes it: `name@version`."""
        return f"{self.name}@{self.version}"


AAVE_V3 = Package(
    "@aave/core-v3",
    "1.19.3",
    "Xr7+VcoU5b4mPwM4IUCnskw3lciwrnL4Xloyad8GOddYeixnri2lZYobNmErm1LwE50vqjI0O+9QGNKY2TDkeQ==",
)
PERP_V2 = Package(
    "@perp/curie-contract",
    "2.8.4",
    "fTHxpzzuHlSyCEvI6T8Ya10Oz3Y4T06YTiCciR/4uvR9rx/9Afmm8nDLJ85ZwXiA0edce9bPUkE/ZcKY4xkJEw==",
)
PERP_ORACLE = Package(
    "@perp/perp-oracle-contract",
    "0.6.8",
    "TrPYGq2iLudByTL939LSQedId84B8+lTgczJBvNlPjk7ENAykMxlIrk6IFFgtRfbX2Bo4wp4DeM/1bMaK3z+4Q==",
)
UNISWAP_V3 = Package(
    "@uniswap/v3-core",
    "1.0.1",
    "7pVk4hEm00j9tc71Y9+ssYpO6ytkeI0y7WE9P6UcmNzhxPePwyAxImuhVsTqWK9YFvzgtvzJHi64pBl4jUzKMQ==",
)
UNISWAP_V3_PERIPHERY = Package(
    "@uniswap/v3-periphery",
    "1.4.4",
    "S4+m+wh8HbWSO3DKk4LwUCPZJTpCugIsHrWR86m/OrUyvSqGDTXKFfc2sMuGXCZrD1ZqO3rhQsKgdWg3Hbb2Kw==",
)
LYRA_V1 = Package(
    "@lyrafinance/protocol",
    "0.1.3-alpha",
    "oUO/m3kS6Bx0SmVID2PIjZ6RFVfixQV66I8hShuuMOIytehmxQtex5DgtMFDYumoO6MuyoZ18vKtDMHT0HLCXg==",
)
PROTOCOLS = (AAVE_V3, PERP_V2, PERP_ORACLE, UNISWAP_V3, UNISWAP_V3_PERIPHERY, LYRA_V1)
_ANVIL_VERSION = "1.7.1"
_ANVILS = {
    "linux-amd64": "+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383of"
    "NhxkRWIYTg==",
    "linux-arm64": "ykHJmFOGdBR8+9smOKBm9ZZDCCCkLQctiHOAddLvmYx9mPeBDMfq6jP51hKYsO5MG8ClPLSlWe+J"
    "piXPjoXgBQ==",
    "darwin-arm64": "JNeu3+A3f/npXLn8SR8EahVcqE7BpO9VQZMcPvSIy27/RNc1GsoEBvSLR99aSvt8sGKWAgNg/Ezr"
    "tjAPq6mxcA==",
    "darwin-amd64": "OgwzwY+FsGrsPyDv4mmbhOwARO8s37YHrm2qaNzgSH4VlKnXgJCrnoT7bpgOhLyBPtxXjBT8L2E3"
    "b79deesXRg==",
}


def anvil_package(system: str = platform.system(), machine: str = platform.machine()) -> Package:
    """The package that holds anvil's binary for a platform; InputError where there is none."""
    processor = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    name = f"{system.lower()}-{processor}"
    if name not in _ANVILS:
        raise InputError("anvil", "platform", f"expected one of {', '.join(_ANVILS)}, got {name}")
    return Package(f"@foundry-rs/anvil-{name}", _ANVIL_VERSION, _ANVILS[name])


def fetch(package: Package, folder: Path) -> Path:
    """Where the package lies unpacked within `folder`; it is fetched if it is not there yet.

    Raises `InputError` in one line where npm is absent, cannot give it, or gives something else.
    """
    place = folder / package.label.replace("/", "__")
    if not place.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as apart:
            _unpack(_checked(_pack(package, Path(apart)), package), Path(apart))
            try:
                (Path(apart) / "package").rename(place)
            except OSError:  # Another process was quicker; what it unpacked passed the same check.
                if not place.is_dir():
                    raise
    return place


def _pack(package: Package, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise InputError("npm", package.label, f"found no npm; {NEEDS}")
    command = [npm, "pack", "--loglevel=error", "--ignore-scripts", package.label]
    try:
        result = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError("npm", package.label, f"no answer in {_TIMEOUT_S} seconds") from None
    found = list(folder.glob("*.tgz"))
    if result.returncode or len(found) != 1:
        code = re.search(r"\b(E[A-Z0-9_]{2,})\b", result.stderr)
        said = code[1] if code else f"exit {result.returncode}"
        raise InputError("npm", package.label, f"npm could not pack it ({said})")
    return found[0]


def _checked(archive: Path, package: Package) -> Path:
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != package.sha512:
        raise InputError("npm", package.label, f"expected SHA-512 {package.sha512}, got {found}")
    return archive


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")


def main(arguments: list[str]) -> int:
    """Fetches everything into the folder that is named; 0, or 2 with one line."""
    (folder,) = arguments
    try:
        for package in (anvil_package(), *PROTOCOLS):
            fetch(package, Path(folder))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
