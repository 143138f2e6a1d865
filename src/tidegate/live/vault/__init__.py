# SPDX-License-Identifier: Apache-2.0
"""A vault on a chain under the engine, told as a demonstration."""
