"""A stack of S3, Nessie and Kafka with its tables and topics, without an engine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream_contracts.settings import Settings, read_env_file
from tests.ports import free_ports
from tools.kafka import topics

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("storage")
    ports = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
    env = {**os.environ, **ports, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "CLICKSTREAM_STACK_DIR": str(home)}
    stack = [sys.executable, "-m", "tools.localstack"]
    try:
        subprocess.run([*stack, "up", "--only", "s3,nessie,kafka"], cwd=ROOT, env=env, check=True)
        settings = Settings.from_env(read_env_file(home / "settings.env"))
        topics.ensure(settings)
        yield settings
    finally:
        subprocess.run([*stack, "clean"], cwd=ROOT, env=env, check=False)
