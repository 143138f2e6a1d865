# SPDX-License-Identifier: Apache-2.0
"""How kernels are compiled, here and in rooms that call these, and where they are kept.

numba's cache trusts a kernel as long as the kernel's own file is unchanged, though it inlines what
stands in others; so everything compiled is kept in a folder named after the text of all kernels of
this room and of the package in which the kernel stands.
Where no folder can be written, kernels are compiled anew in every process.

Loading from the cache needs numba's runtime and none of its tables of types and functions, which
only a compiler reads; leaving those out takes two fifths off the time to a first answer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pkgutil import get_data, iter_modules, resolve_name
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import caching, runtime, types

import tidegate.pricing

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Some of numba's insides have types, and others not.
_caching: Any = caching
_runtime: Any = cast(Any, runtime).rtsys
_unliteral: Any = types.unliteral

# Contraction and signs of zero only: NaN and infinity are answers here.
FASTMATH = {"contract", "nsz"}
KERNEL: Any = {"fastmath": FASTMATH, "error_model": "numpy", "nogil": True}
INLINE: Any = {"fastmath": FASTMATH, "error_model": "numpy", "forceinline": True}
# Sums may be reordered where no answer hangs on their last bit: that vectorises them.
SUMMING: Any = KERNEL | {"fastmath": FASTMATH | {"reassoc", "arcp"}}
# Nothing is contracted where an answer must be that of plain Python to the last bit.
EXACT: Any = KERNEL | {"fastmath": False}
# Python calls no inner function: leaving its way in out halves the time to compile it.
UNCALLED: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}


def kernel(function: _Function) -> _Function:
    """Compiled when first called, and kept on disk for later processes."""
    return _kept(function, KERNEL)


def summing_kernel(function: _Function) -> _Function:
    """As `kernel`, with sums in any order."""
    return _kept(function, SUMMING)


def exact_kernel(function: _Function) -> _Function:
    """As `kernel`, with every operation rounded as plain Python rounds it."""
    return _kept(function, EXACT)


def exact_inner(function: _Function) -> _Function:
    """As `inner`, with every operation rounded as plain Python rounds it."""
    return _once(function, EXACT | UNCALLED)


def exact_inline(function: _Function) -> _Function:
    """As `exact_inner`, and always made part of its caller: for the few steps of a hot loop."""
    return _once(function, EXACT | UNCALLED | {"forceinline": True})


def _once(function: _Function, options: Any) -> _Function:
    """One machine code for all whole numbers: numba would make another for each constant that a
    caller gives, and for each that it has seen before it knows what a variable may become."""
    compiled: Any = njit(**options)(function)
    found = compiled.get_call_template

    def plain(given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        plainly = {name: _unliteral(value) for name, value in named.items()}
        return found(tuple(map(_unliteral, given)), plainly)

    compiled.get_call_template = plain
    once: _Function = compiled
    return once


def inner(function: _Function) -> _Function:
    """Compiled with the kernel that calls it."""
    compiled: _Function = njit(**KERNEL)(function)
    return compiled


def _kept(function: _Function, options: Any) -> _Function:
    compiled: Any = njit(**options)(function)
    # Without a folder to write to, or a text of the kernels, nothing is kept.
    with suppress(RuntimeError, OSError):
        compiled._cache = _Cache(function)
    kept: _Function = compiled
    return kept


@cache
def _folder(package: str) -> str:
    """A name made of the texts of the private modules of this room and of a package."""
    digest = sha256()
    for home in sorted({tidegate.pricing.__name__, package}):
        for name in sorted(module.name for module in iter_modules(resolve_name(home).__path__)):
            if name.startswith("_"):
                text = get_data(home, f"{name}.py") or b""
                digest.update(b"%s.%s %d\n%s" % (home.encode(), name.encode(), len(text), text))
    return f"tidegate-{digest.hexdigest()[:16]}"


def _apart(locator: Any) -> Any:
    """numba's way to a folder, and behind it the one of this text."""

    class Apart(locator):  # type: ignore[misc]
        def __init__(self, function: Callable[..., Any], file: str) -> None:
            self._package = function.__module__.rpartition(".")[0]
            super().__init__(function, file)

        def get_cache_path(self) -> str:
            return f"{super().get_cache_path()}/{_folder(self._package)}"

    return Apart


class _Storage(_caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = tuple(map(_apart, _caching.CompileResultCacheImpl._locator_classes))


class _Cache(_caching.FunctionCache):  # type: ignore[misc]
    """numba's cache of one function, except that a disk that fails costs time and no answer."""

    _impl_class = _Storage

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        _runtime.initialize(target_context)
        with suppress(OSError):
            return self._load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            self._save_overload(sig, data)
