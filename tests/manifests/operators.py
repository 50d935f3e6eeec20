"""The operators' manifests in .operators/, fetched once."""

import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.manifests.rendered import MANIFESTS, ROOT

COLUMNS = ("folder", "module", "version", "archive", "path", "sha256")


def sources() -> list[tuple[str, dict[str, str]]]:
    """The rows of manifests/operators/sources.tsv by the folder's name."""
    lines = [line.split("\t") for line in (MANIFESTS / "operators" / "sources.tsv").read_text().splitlines() if not line.startswith("#")]
    return [(line[0], dict(zip(COLUMNS, line, strict=True))) for line in lines]


@cache
def _fetch() -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(ROOT / "scripts" / "fetch-operators.sh")], capture_output=True, text=True, check=False)


def folder() -> Path:
    """The folder .operators/; without it and without a network the test is skipped, a wrong digest is an error."""
    done = _fetch()
    assert "sha256" not in done.stderr, done.stderr
    if done.returncode:
        pytest.skip(f"the operators' manifests cannot be fetched: {done.stderr.splitlines()[-1]}")
    return ROOT / ".operators"
