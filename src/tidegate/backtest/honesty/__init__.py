# SPDX-License-Identifier: Apache-2.0
"""Statistics that keep a comparison of policies honest: paired, with intervals, no straw man."""
