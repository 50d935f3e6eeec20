"""The local stack: real S3, Nessie, Kafka, Flink, Spark, Ray and Airflow as processes on 127.0.0.1.

This module imports nothing at once, because the set-up in this package runs before any environment exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from clickstream_contracts.settings import Settings


def running(stack_dir: str | Path) -> Settings:
    """Returns the settings with which the stack in `stack_dir` was last started. Raises SettingsError if it never was."""
    from tools.localstack import layout

    return layout.running(stack_dir)
