# SPDX-License-Identifier: Apache-2.0
"""The arguments of `tidegate session`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: tidegate session examples/live/session.toml"


def session(
    settings: Annotated[Path, typer.Argument(help="Venues, keys and policy; see docs/live.md.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON document at the start.")] = False,
) -> None:
    """Hold the keys of venues, and sign for an engine what its gate approved and the policy lets.

    It serves this machine alone, until it is interrupted.
    """
    from tidegate.venues.exchanges.session_command import serve_session

    serve_session(settings, as_json=json)
