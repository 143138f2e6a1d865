# SPDX-License-Identifier: Apache-2.0
"""Venues' margin rules: requirement, equity, health and what can be withdrawn."""
