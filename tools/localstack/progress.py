"""One line for each thing done, on standard error; colours only on a terminal. Standard library only."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

COLOURS = {"✓": "32", "✗": "31", "…": "36", "!": "33"}
_lock = threading.Lock()


def say(mark: str, name: str, text: str = "") -> None:
    """Print one line: a mark (✓ ✗ … !), what it is about, and the news."""
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        mark = f"\033[{COLOURS.get(mark, '0')}m{mark}\033[0m"
    with _lock:
        print(f" {mark} {name:<24} {text}".rstrip(), file=sys.stderr, flush=True)


@contextmanager
def timed(name: str, text: str) -> Iterator[list[str]]:
    """Say that something long begins, and when it ended how long it took; words put into the list are added to that."""
    say("…", name, text)
    begin, news = time.monotonic(), list[str]()
    yield news
    say("✓", name, " ".join([f"{time.monotonic() - begin:6.1f} s", *news]))
