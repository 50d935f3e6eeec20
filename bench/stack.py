"""A stack of the benchmark's own, on free ports in a temporary folder."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.ports import free_ports


@contextmanager
def a_stack(*parts: str) -> Iterator[dict[str, str]]:
    """The named parts, or all; gives the environment in which the project's commands meet this stack. Gone afterwards."""
    home = tempfile.mkdtemp(prefix="bench-")
    ports = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
    env = {**os.environ, **ports, "CLICKSTREAM_STACK_DIR": home}
    stack = [sys.executable, "-m", "tools.localstack"]
    try:
        subprocess.run([*stack, "up", "--only", ",".join(parts)], check=True, env=env)
        yield env
    finally:
        subprocess.run([*stack, "down"], check=False, env=env)
        shutil.rmtree(home, ignore_errors=True)
