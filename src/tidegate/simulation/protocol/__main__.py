# SPDX-License-Identifier: Apache-2.0
"""`python -m tidegate.simulation.protocol`: the command by itself."""

from tidegate.simulation.protocol.arguments import app

app()
