# SPDX-License-Identifier: Apache-2.0
"""Without the extra the demonstration says one line and writes nothing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tidegate.cli import main
from tidegate.live.vault import demo_command


@pytest.mark.parametrize("missing", [*demo_command.NEEDS, "eth_tester"])
def test_demo_without_a_part_of_the_extra_says_one_line_and_exits_with_two(
    missing: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Where this runs some parts may be installed and others not; all but one are made to be there.
    def found(name: str) -> object:
        return None if name == missing else find_spec("json")

    monkeypatch.setattr(demo_command, "find_spec", found)
    out = tmp_path / "vault"
    monkeypatch.setattr("sys.argv", ["tidegate", "vault", "demo", "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert len(said) == 1
    assert said[0].endswith(f"for want of {missing}")
    assert not out.exists()
