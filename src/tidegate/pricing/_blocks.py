# SPDX-License-Identifier: Apache-2.0
"""Blocks of options in one workspace, in which compiled loops vectorise, and the way out.

A loop over many arrays is vectorised only where LLVM knows that they do not overlap. Rows of one
array at fixed distances do not, so a kernel copies a block of its inputs into rows, works from
row to row in short loops, whose chains of dependent operations overlap, and copies results out.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tidegate.pricing._kernels import inner

FloatArray = npt.NDArray[np.float64]

# LLVM's instructions, from the llvmlite that numba itself writes them with.
_ir: Any = cast(Any, cgutils).ir

BLOCK = 256
# A row of results begins at a multiple of 64 bytes, so that whole cache lines can be written.
LINE = 8
# From here on results do not fit the nearer caches, and are written past them.
STREAMED = 1 << 15


def aligned(rows: int, size: int) -> FloatArray:
    """Uninitialised memory [rows, at least size] whose rows begin on cache lines."""
    stride = -(-size // LINE) * LINE
    memory = np.empty(rows * stride + LINE)
    offset = -(memory.ctypes.data // memory.itemsize) % LINE
    return memory[offset : offset + rows * stride].reshape(rows, stride)


# Indices are unsigned: a signed one may be negative, counts from the end then, and the selection
# between the two keeps a loop from being vectorised.


@inner
def fill(work: FloatArray, row: int, column: npt.NDArray[Any], start: int) -> None:
    """Copies a block of a column into a row of the workspace; one number is spread, once."""
    base, begin = np.uintp(row * BLOCK), np.uintp(start)
    if len(column) > 1:
        for i in range(np.uintp(min(BLOCK, len(column) - start))):
            work[base + i] = column[begin + i]
    elif start == 0:
        for i in range(np.uintp(BLOCK)):
            work[base + i] = column[0]


@inner
def spill(work: FloatArray, row: int, out: FloatArray, start: int, size: int) -> None:
    """Copies a row of the workspace into the block of a row of `out` that begins at `start`."""
    base, begin = np.uintp(row * BLOCK), np.uintp(start)
    count = np.uintp(min(BLOCK, size - start))
    if size < STREAMED:
        for i in range(count):
            out[begin + i] = work[base + i]
    else:
        _stream(out, begin, work, base, (count + np.uintp(LINE - 1)) // np.uintp(LINE))


def _stream_lines(
    typing_context: Any, target: Any, start: Any, source: Any, base: Any, lines: Any
) -> tuple[Any, Any]:
    """Copies whole lines with stores past the caches, which need not read the lines first."""

    def codegen(context: Any, builder: Any, signature: Any, values: tuple[Any, ...]) -> Any:
        target, start, source, base, lines = values
        into = context.make_array(signature.args[0])(context, builder, target).data
        outof = context.make_array(signature.args[2])(context, builder, source).data
        line = _ir.VectorType(_ir.DoubleType(), LINE)
        past_caches = builder.module.add_metadata([_ir.Constant(_ir.IntType(32), 1)])
        with cgutils.for_range(builder, lines) as loop:
            offset = builder.mul(loop.index, _ir.Constant(lines.type, LINE))
            place = builder.gep(outof, [builder.add(base, offset)])
            values_ = builder.load(builder.bitcast(place, line.as_pointer()), align=8)
            place = builder.gep(into, [builder.add(start, offset)])
            store = builder.store(values_, builder.bitcast(place, line.as_pointer()), align=64)
            store.set_metadata("nontemporal", past_caches)
        return context.get_dummy_value()

    return types.void(target, start, source, base, lines), codegen


_stream: Any = intrinsic(_stream_lines)
