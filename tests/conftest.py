"""The shared local stack: all engines for real, started once per session on free ports in a temporary folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.shop_day import Shop

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the shared stack with `stack`, and these and those that use a Nessie server with `engine`."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if "stack_env" in fixtures:
            item.add_marker(pytest.mark.stack)
        if {"stack_env", "nessie_uri"} & fixtures:
            item.add_marker(pytest.mark.engine)
    # After a million events each nightly run takes longer, so this test comes last.
    items.sort(key=lambda item: "test_million" in item.nodeid)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the evaluation data; tests that need a file of it are skipped where it is missing."""
    from clickstream_contracts.settings import Settings

    return (ROOT / Settings.from_env().data_dir).resolve()


@pytest.fixture(scope="session")
def stack_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a running stack. TEST_STACK_DIR names a running one, which is neither started nor stopped."""
    from tests.ports import free_ports

    running = os.environ.get("TEST_STACK_DIR")
    folder = Path(running) if running else tmp_path_factory.mktemp("stack")
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "CLICKSTREAM_STACK_DIR": str(folder)}
    if not running:
        env |= {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
        env |= {"CLICKSTREAM_CHECKPOINT_SECONDS": "5"}
    stack = [sys.executable, "-m", "tools.localstack"]
    try:
        subprocess.run([*stack, "up"], cwd=ROOT, env=env, check=True)
        yield env
    finally:
        if not running:
            logs = ROOT / ".stack-test-logs"
            shutil.rmtree(logs, ignore_errors=True)
            shutil.copytree(folder / "logs", logs, dirs_exist_ok=True)
            subprocess.run([*stack, "down"], cwd=ROOT, env=env, check=False)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shop(stack_env: dict[str, str]) -> "Iterator[Shop]":
    """The running stack through its commands, its Airflow and its tables; the streams are deployed."""
    from tests.shop_day import Shop

    shop = Shop(stack_env)
    with shop.airflow:
        shop.start_streams()
        yield shop
