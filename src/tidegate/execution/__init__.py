# SPDX-License-Identifier: Apache-2.0
"""Plans as steps of which every prefix and every subset of fills is safe."""
