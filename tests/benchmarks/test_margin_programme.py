# SPDX-License-Identifier: Apache-2.0
"""The benchmark of margin measures the topics that its command line names."""

from __future__ import annotations

from benchmarks.margin import TOPICS
from benchmarks.side_by_side.margins import TOPICS as MEASURED


def test_topics_on_the_command_line_are_those_that_are_measured() -> None:
    assert tuple(topic.key for topic in MEASURED) == TOPICS
