# SPDX-License-Identifier: Apache-2.0
"""One thread on one core, and what machine and versions a measurement was made with."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import tidegate
from benchmarks.side_by_side.entries import PEERS, Peer

# Read by libraries when they are imported.
ONE_THREAD = {
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
FLAGS = ("avx2", "fma", "avx512f", "avx512dq", "avx512vl", "avx512bw")
LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "mpmath")


def use_one_thread() -> int | None:
    """Pins this process and its children to the last core allowed; returns it, if that can be."""
    os.environ.update(ONE_THREAD)
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def version(distribution: str) -> str:
    """The version that is installed, or nothing."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def description(core: int | None) -> dict[str, Any]:
    """Processor, cores, flags, Python and versions."""
    processor = _processor()
    listed = processor.get("flags", "").split()
    return {
        "processor": processor.get("model name", platform.processor() or "unknown"),
        "family_model": [processor.get(name, "") for name in ("cpu family", "model", "stepping")],
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "pinned_to_core": core,
        "cache": processor.get("cache size", ""),
        "flags": [flag for flag in FLAGS if flag in listed],
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {"tidegate": tidegate.__version__}
        | {name: version(name) for name in LIBRARIES},
        "load_average": list(os.getloadavg()),
    }


def peers(absent: dict[str, str], listed: tuple[Peer, ...] = PEERS) -> list[dict[str, str]]:
    """Every peer with version and licence, or why it cannot be imported."""
    return [
        {
            "name": peer.distribution,
            "version": version(peer.distribution),
            "licence": peer.licence,
            "absent": absent.get(peer.distribution, ""),
        }
        for peer in listed
    ]


def keeps_subnormals() -> bool:
    """Whether numbers below 2.2e-308 still count; a library may switch them off for all others."""
    return float("2.5e-308") / 4.0 > 0.0


def _processor() -> dict[str, str]:
    """The first processor that the system lists."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
