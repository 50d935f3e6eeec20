"""A local stack for one benchmark, on free ports in a temporary folder."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.ports import free_ports


@contextmanager
def temporary_stack(*components: str) -> Iterator[dict[str, str]]:
    """Start the named components, or all; yields the environment that makes commands use this stack. Stopped and deleted afterwards."""
    folder = tempfile.mkdtemp(prefix="bench-")
    ports = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
    env = {**os.environ, **ports, "CLICKSTREAM_STACK_DIR": folder}
    stack = [sys.executable, "-m", "tools.localstack"]
    try:
        subprocess.run([*stack, "up", "--only", ",".join(components)], check=True, env=env)
        yield env
    finally:
        subprocess.run([*stack, "down"], check=False, env=env)
        shutil.rmtree(folder, ignore_errors=True)
