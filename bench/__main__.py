"""Runs all benchmarks, or the named ones, and prints their figures: `python -m bench [NAME ...]`. About 40 minutes on two cores."""

import json
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
BENCHMARKS = ("shop", "flink_lake", "streams", "nightly", "batch", "serve")


def main(argv: list[str]) -> int:
    """Run the named benchmarks one after the other; each writes bench/results/<name>.json. Returns the exit code."""
    unknown = [name for name in argv if name not in BENCHMARKS]
    if unknown:
        print(f"error: no benchmark {unknown[0]!r}: use one of {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    # SystemExit unwinds temporary_stack, which stops the stack of a terminated run.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    RESULTS.mkdir(exist_ok=True)
    for name in argv or BENCHMARKS:
        figures: dict[str, Any] = import_module(f"bench.{name}").measure()
        (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")
        show(name, figures)
    return 0


def show(title: str, figures: dict[str, Any]) -> None:
    """Print the figures of one benchmark as a table."""
    table = Table("figure", "value", title=title, title_justify="left", show_header=False)
    for name, value in figures.items():
        table.add_row(name, json.dumps(value) if isinstance(value, dict | list) else str(value))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
