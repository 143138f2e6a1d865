# SPDX-License-Identifier: Apache-2.0
"""The decision cycle and its triggers."""
