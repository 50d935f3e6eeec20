"""Progress lines on standard error; colours only on a terminal. Standard library only, because the set-up uses it."""

from __future__ import annotations

import os
import sys
import threading

COLOURS = {"✓": "32", "✗": "31", "…": "36", "!": "33"}
_lock = threading.Lock()


def say(mark: str, name: str, text: str = "") -> None:
    """Print one line: a mark (✓ done, ✗ failed, … running, ! note), the name of a component or step, and its state or result."""
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        mark = f"\033[{COLOURS.get(mark, '0')}m{mark}\033[0m"
    with _lock:
        print(f" {mark} {name:<24} {text}".rstrip(), file=sys.stderr, flush=True)
