# SPDX-License-Identifier: Apache-2.0
"""An edge: what a position should earn net of every cost, how wrong that may be, and what it may
be used for.

Edges that share a source of error (one coin's funding, one volatility forecast) are wrong
together. Each edge therefore names its sources and how much of each it holds; with source errors
s, their correlation R and loadings W, the errors' covariance is W diag(s) R diag(s) W'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]

Status = Literal["observed", "buffers", "capital"]
MIN_JUDGED = 60


class EdgeEvidence(msgspec.Struct, frozen=True):
    """Out-of-sample value of acting on such edges against a baseline: a 95 % band over n days."""

    low: float
    high: float
    n: int


class Loading(msgspec.Struct, frozen=True):
    """How much of a source an edge holds (short of funding is -1), and the source's error."""

    source: str
    weight: float
    standard_error: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and math.isfinite(self.standard_error)):
            raise InputError(self.source, "weight, standard_error", "expected finite numbers")
        if self.standard_error < 0.0:
            raise InputError(self.source, "standard_error", "expected at least zero")


class Edge(msgspec.Struct, frozen=True):
    """One edge. `net_annual` is per USD of notional and year, after all costs; `capacity_usd` is
    None where the data has no sizes, which is not the same as none."""

    kind: str
    name: str
    gross_annual: float
    cost_annual: float
    loadings: tuple[Loading, ...]
    capacity_usd: float | None
    status: Status = "observed"

    @property
    def net_annual(self) -> float:
        """What is left after costs."""
        return self.gross_annual - self.cost_annual


def edge_status(edge: Edge, evidence: EdgeEvidence | None) -> Status:
    """What an edge may be used for, from evidence alone; nobody sets it by hand.

    `capital` needs a known capacity above zero and a band of at least 60 judged days wholly above
    zero. A band wholly below zero, for an edge that was believed, may still widen `buffers`.
    Everything else is `observed`.
    """
    if evidence is None or evidence.n < MIN_JUDGED:
        return "observed"
    if not (math.isfinite(evidence.low) and math.isfinite(evidence.high)):
        return "observed"
    if evidence.low > 0.0:
        return (
            "capital" if edge.capacity_usd is not None and edge.capacity_usd > 0.0 else "observed"
        )
    return "buffers" if evidence.high < 0.0 else "observed"


def error_covariance(
    edges: Sequence[Edge], correlations: Mapping[tuple[str, str], float]
) -> FloatArray:
    """Covariance of the edges' errors, float64[n, n]; pairs of sources not named are uncorrelated.

    Raises: `InputError` where one source has two errors, a correlation is outside [-1, 1], or the
    correlations contradict each other (no such matrix is positive semi-definite).
    """
    errors = _source_errors(edges)
    names = sorted(errors)
    place = {name: i for i, name in enumerate(names)}
    correlation = np.eye(len(names))
    for (a, b), value in correlations.items():
        if not -1.0 <= value <= 1.0:
            raise InputError(f"{a}, {b}", "correlation", f"expected in [-1, 1], got {value}")
        if a in place and b in place and a != b:
            correlation[place[a], place[b]] = correlation[place[b], place[a]] = value
    if names and float(np.linalg.eigvalsh(correlation).min()) < -1e-9:
        raise InputError("edges", "correlations", "expected ones that can hold together")
    weights = np.zeros((len(edges), len(names)))
    for row, edge in zip(weights, edges, strict=True):
        for each in edge.loadings:
            row[place[each.source]] += each.weight * each.standard_error
    return np.asarray(weights @ correlation @ weights.T)


def error_correlation(
    edges: Sequence[Edge], correlations: Mapping[tuple[str, str], float]
) -> FloatArray:
    """Correlation of the edges' errors, float64[n, n], 1 on the diagonal; an edge without error
    (a locked-in arbitrage) is uncorrelated with all others."""
    covariance = error_covariance(edges, correlations)
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    scale = np.where(deviation > 0.0, deviation, 1.0)
    correlation = np.clip(covariance / np.outer(scale, scale), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation)


def standard_error(edge: Edge) -> float:
    """Error of one edge with uncorrelated sources."""
    return math.sqrt(max(float(error_covariance([edge], {})[0, 0]), 0.0))


def _source_errors(edges: Sequence[Edge]) -> dict[str, float]:
    errors: dict[str, float] = {}
    for edge in edges:
        for each in edge.loadings:
            known = errors.setdefault(each.source, each.standard_error)
            if known != each.standard_error:
                raise InputError(each.source, "standard_error", "expected one error per source")
    return errors
