"""The local stack: real components as plain processes on 127.0.0.1.

Nothing is imported here at once, because the set-up below this package runs before any environment exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from clickstream_contracts.settings import Settings


def running(stack_dir: str | Path) -> Settings:
    """The settings of the stack in `stack_dir`, as it was last started. Raises SettingsError if it never was."""
    from tools.localstack.layout import running as read

    return read(stack_dir)
