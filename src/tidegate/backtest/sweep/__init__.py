# SPDX-License-Identifier: Apache-2.0
"""Many runs from one grid, on processes or a cluster, in one table."""
