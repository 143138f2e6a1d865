# SPDX-License-Identifier: Apache-2.0
"""Runs over history, measures, and the report."""
