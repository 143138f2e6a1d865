# SPDX-License-Identifier: Apache-2.0
"""Tidegate decides where a derivatives book's capital should be, and proves that it is safe."""

__version__ = "0.1.0"
