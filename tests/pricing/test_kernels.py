# SPDX-License-Identifier: Apache-2.0
"""Compiled kernels are kept on disk while no kernel changes, and work without a disk."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tidegate

PART = """
from numba.extending import register_jitable

from tidegate.pricing._kernels import INLINE

@register_jitable(**INLINE)
def part_(x):
    return x + {added}
"""
WHOLE = """
from tidegate.pricing._kernels import kernel
from tidegate.pricing._toy_part import part_

@kernel
def whole(x):
    return part_(x)
"""
BLOCK = """
import shutil
folder = whole._cache.cache_path
shutil.rmtree(folder)
open(folder, "w").close()
"""
CALL = """
import json
from tidegate.pricing._toy import whole
answer = whole(1.0)
print(json.dumps([answer, sum(whole.stats.cache_hits.values())]))
"""
# A first answer, the modules that it took, and then a function of the user's own.
FIRST = """
import json, sys
from tidegate.pricing import _implied_vol
from tidegate.pricing.implied_vol import implied_vol
first = implied_vol([1.0, 2.0], 100.0, [110.0, 120.0], 0.25, True).vol_annual.tolist()
loaded = sorted({"scipy.linalg", "numba.np.linalg", "numba.np.npyimpl"} & set(sys.modules))
import numba, numpy
inner = numba.njit(lambda x, y: numpy.dot(x, y) + numpy.sum(x))
again = inner(numpy.ones(3), numpy.ones(3))
print(json.dumps([sum(_implied_vol.solve.stats.cache_hits.values()), first, loaded, again]))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package alone in a folder, with a kernel that inlines a function of another module."""
    package = tmp_path / "tidegate"
    source = Path(tidegate.__file__).parent
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "pricing" / "_toy_part.py").write_text(PART.format(added=1.0))
    (package / "pricing" / "_toy.py").write_text(WHOLE)
    return tmp_path


def called(copy: Path, call: str = CALL, **environment: str) -> Any:
    """What a fresh process prints: of a call the answer, and how often it came from the disk."""
    kept = {name: os.environ[name] for name in os.environ if not name.startswith("NUMBA_")}
    told = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run(
        [sys.executable, "-c", call], env=kept | told, cwd=copy, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_kernel_of_unchanged_text_comes_from_the_disk_in_a_later_process(copy: Path) -> None:
    assert called(copy) == [2.0, 0]
    assert called(copy) == [2.0, 1]


def test_kernel_is_compiled_anew_when_a_module_that_it_inlines_changes(copy: Path) -> None:
    told = {"NUMBA_CACHE_DIR": str(copy / "kept")}
    assert called(copy, **told) == [2.0, 0]
    (copy / "tidegate" / "pricing" / "_toy_part.py").write_text(PART.format(added=2.0))
    assert called(copy, **told) == [3.0, 0]
    assert called(copy, **told) == [3.0, 1]


def test_kernel_takes_constants_and_functions_from_modules_whose_text_counts() -> None:
    """A number of another module is compiled in, and would stay what it was."""
    folder = Path(tidegate.__file__).parent / "pricing"
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("_*.py")]
    kernels = [text for text in texts if "from tidegate.pricing._kernels import" in text]
    assert len(kernels) > 5
    imported = {name for text in kernels for name in re.findall(r"from (tidegate\S+) import", text)}
    assert {name for name in imported if not name.startswith("tidegate.pricing._")} == set()


def test_kernel_where_no_folder_can_be_written_is_compiled_and_answers(copy: Path) -> None:
    (copy / "tidegate" / "pricing" / "__pycache__").touch()
    (copy / "file").touch()
    blocked = str(copy / "file" / "folder")
    told = {"NUMBA_CACHE_DIR": blocked, "XDG_CACHE_HOME": blocked, "HOME": blocked}
    assert called(copy, **told) == [2.0, 0]
    assert called(copy, **told) == [2.0, 0]


def test_kernel_whose_folder_becomes_unwritable_answers_and_is_not_kept(copy: Path) -> None:
    told = {"NUMBA_CACHE_DIR": str(copy / "kept")}
    (copy / "tidegate" / "pricing" / "_toy.py").write_text(WHOLE + BLOCK)
    assert called(copy, **told) == [2.0, 0]


def test_first_answer_from_the_disk_needs_no_table_of_the_compiler(copy: Path) -> None:
    told = {"NUMBA_CACHE_DIR": str(copy / "kept")}
    _, compiled, loaded, _ = called(copy, FIRST, **told)
    assert loaded
    hits, answer, loaded, others = called(copy, FIRST, **told)
    assert hits == 1
    assert answer == compiled
    assert loaded == []
    assert others == 6.0
