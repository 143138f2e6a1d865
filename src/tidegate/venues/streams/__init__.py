# SPDX-License-Identifier: Apache-2.0
"""Venues' WebSocket streams: read without pause, kept in bounds, and begun anew when they break."""
