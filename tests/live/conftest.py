# SPDX-License-Identifier: Apache-2.0
"""Helpers whose assertions say their values where a test of the live desk fails."""

import pytest

pytest.register_assert_rewrite("tests.live.desk")
