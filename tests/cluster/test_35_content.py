"""The same events give the same tables and the same model on a cluster as on a laptop.

The cluster's hashes are written to TEST_RESULTS/cluster_content.json. The laptop's are made by
`python -m tests.cluster.laptop_content FILE`, which starts a local stack of its own, so it can run before or after.
TEST_LAPTOP_CONTENT names that file.
"""

import json
import os
from pathlib import Path

import pytest

from tests.cluster import content
from tests.cluster.cluster import Cluster


@pytest.fixture(scope="module")
def hashes(deployed: Cluster) -> dict[str, str]:
    """The hashes of the tables at the newest features run's tag, and the trained model."""
    code = Path(content.__file__).read_text()
    result = dict(json.loads(deployed.python(code, timeout=900)))
    folder = os.environ.get("TEST_RESULTS")
    if folder:
        (Path(folder) / "cluster_content.json").write_text(json.dumps(result, indent=1))
    return result


def test_the_cluster_computes_what_the_laptop_computes(hashes: dict[str, str]) -> None:
    file = os.environ.get("TEST_LAPTOP_CONTENT")
    if not file:
        pytest.skip("TEST_LAPTOP_CONTENT: the file that `python -m tests.cluster.laptop_content FILE` writes")
    laptop = json.loads(Path(file).read_text())
    assert {name: (value, hashes.get(name)) for name, value in laptop.items() if hashes.get(name) != value} == {}
