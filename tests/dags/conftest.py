"""Fixtures: the DAG bag of each runtime."""

from typing import Any

import pytest

from tests.dags.graph import load

RUNTIMES = ("local", "kubernetes")


@pytest.fixture(scope="session")
def bags() -> dict[str, Any]:
    """The DAG bag of each runtime."""
    return {runtime: load(runtime) for runtime in RUNTIMES}


@pytest.fixture(scope="session")
def bag(bags: dict[str, Any]) -> Any:
    """The DAG bag of the local runtime."""
    return bags["local"]
