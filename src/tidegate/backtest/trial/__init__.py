# SPDX-License-Identifier: Apache-2.0
"""Policies on generated markets: one crisis beside each other, or hundreds of them in pairs."""
