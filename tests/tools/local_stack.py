"""A stack on free ports for tests, and its command line."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clickstream_contracts.settings import Settings
from tests.ports import free_ports
from tools.localstack import layout

ROOT = Path(__file__).parents[2]
LOCALSTACK = (sys.executable, "-m", "tools.localstack")


def settings_on_free_ports() -> Settings:
    """Settings of a stack that can run beside any other."""
    values: dict[str, Any] = free_ports()
    return replace(Settings(), **values)


@pytest.fixture
def stack(tmp_path: Path) -> layout.Stack:
    stack = layout.Stack(layout.resolve(replace(settings_on_free_ports(), stack_dir=str(tmp_path / "stack"))))
    layout.save(stack)
    return stack


@pytest.fixture
def port_in_use() -> Iterator[int]:
    """A port that this test process listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def environment(stack_dir: Path, **settings: str) -> dict[str, str]:
    """Returns the environment of a command for the stack in a folder."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "CLICKSTREAM_STACK_DIR": str(stack_dir), **settings}


def command(stack_dir: Path, *argv: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    env = environment(stack_dir, **settings)
    return subprocess.run([*LOCALSTACK, *argv], env=env, cwd=ROOT, capture_output=True, text=True, check=False)


@contextmanager
def running_stack(folder: Path, only: str) -> Iterator[None]:
    """Start the components `only` of a stack in `folder`, on free ports; stop it and delete its files at the end."""
    ports = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
    try:
        subprocess.run([*LOCALSTACK, "up", "--only", only], cwd=ROOT, env=environment(folder, **ports), check=True)
        yield
    finally:
        subprocess.run([*LOCALSTACK, "clean"], cwd=ROOT, env=environment(folder, **ports), check=False)
