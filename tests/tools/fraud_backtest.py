"""Runs `./clickstream fraud backtest` in tests, and writes the files that it reads."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tools.fraud.backtest import app

DAY = datetime(2026, 1, 5, tzinfo=UTC)
Row = dict[str, Any]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a stack that was never started; a command leaves nothing in it. JVMs are for short runs on small files."""
    folder = tmp_path / "own stack"
    monkeypatch.setenv("CLICKSTREAM_STACK_DIR", str(folder))
    # Such a JVM ends before the optimising compiler pays off.
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    yield folder
    assert not folder.exists() or not list(folder.iterdir())


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def backtest(*arguments: str | Path) -> Row:
    """Runs the command with --json and returns what it prints."""
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    printed: Row = json.loads(done.stdout)
    return printed


def write_json_lines(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def log_line(user: str, moment: datetime, kind: str = "view") -> Row:
    return {"timestamp": moment.isoformat(), "user_id": user, "product_id": "p1", "event_type": kind}
