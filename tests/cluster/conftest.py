"""The throw-away cluster: TEST_KUBECONFIG, or the one that the program TEST_CLUSTER starts (`TEST_CLUSTER node`, then `down`).

The tests run in the order of their files and each needs what the ones before it have made, so the first failure ends the run.
`-k` on a cluster that is deployed already runs a part. TEST_RESULTS names a folder for what the tests measured, as JSON.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import client, overlay
from tests.cluster.cluster import Cluster


def pytest_configure(config: pytest.Config) -> None:
    """Each test needs the ones before it: stop at the first failure."""
    config.option.maxfail = config.option.maxfail or 1


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[str]:
    """The file of the kubeconfig. Without a cluster the tests fail: a skipped test would prove nothing."""
    file, program = os.environ.get("TEST_KUBECONFIG"), os.environ.get("TEST_CLUSTER")
    if file:
        yield file
        return
    if not program:
        pytest.fail("no cluster: set TEST_KUBECONFIG (a throw-away cluster) or TEST_CLUSTER (a program that starts one)")
    done = subprocess.run([program, "node"], stdout=subprocess.PIPE, text=True, check=True)
    try:
        yield done.stdout.splitlines()[-1]
    finally:
        subprocess.run([program, "down"], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def cluster(kubeconfig: str, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The cluster with the test's overlay, deployed or not."""
    return Cluster(kubeconfig, overlay.write(tmp_path_factory.mktemp("overlay") / "small", kubeconfig))


@pytest.fixture(scope="session")
def deployed(cluster: Cluster) -> Cluster:
    """The deployed cluster, with a pod in it that runs the tools."""
    client.create(cluster)
    return cluster


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """What a test measures, by name; printed, and written to TEST_RESULTS/<test>.json."""
    results: dict[str, Any] = {}
    start = time.monotonic()
    yield results
    results["seconds"] = round(time.monotonic() - start, 1)
    print(json.dumps({request.node.name: results}))
    folder = os.environ.get("TEST_RESULTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = "".join(c if c.isalnum() else "_" for c in request.node.name)
        (Path(folder) / f"{name}.json").write_text(json.dumps(results, indent=1))
