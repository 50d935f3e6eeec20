"""The DAGs load on an Airflow that knows nothing of this project but a clone of the repository, as a bundle with `subdir: dags`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.dags.test_dag_policies import DAG_IDS
from tests.plugins.environment import ROOT

LOAD = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
folder = Path(sys.argv[1])
bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="clickstream")
import clickstream.runtime.flink, clickstream_contracts
hashes = {program: clickstream.runtime.flink.FlinkProgram(program).definition() for program in ("clicks_to_lake",)}
loaded = [clickstream.runtime.flink.__file__, clickstream_contracts.__file__]
pools = sorted({task.pool for dag in bag.dags.values() for task in dag.tasks})
print(json.dumps({"dags": sorted(bag.dags), "errors": bag.import_errors, "files": loaded, "hashes": hashes, "pools": pools}))
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of the repository that Airflow needs, somewhere else."""
    folder = tmp_path_factory.mktemp("bundle")
    for package in ("dags", "plugins", "contracts", "flink_apps"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "target"))
    return folder


def load(clone: Path, home: Path, **variables: str) -> dict[str, Any]:
    """Returns what an Airflow without any path or setting of this project loads."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "CLICKSTREAM", "PYTHONPATH"))}
    env |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", **variables}
    command = [sys.executable, "-c", LOAD, str(clone / "dags")]
    result = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    loaded: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return loaded


@pytest.mark.parametrize("runtime", ["local", "kubernetes"])
def test_the_dags_load_with_only_their_folder_on_the_path(clone: Path, tmp_path: Path, runtime: str) -> None:
    loaded = load(clone, tmp_path, CLICKSTREAM_RUNTIME=runtime)
    assert loaded["errors"] == {}
    assert loaded["dags"] == DAG_IDS
    # The code is that of the same commit, whatever else is installed.
    assert [file for file in loaded["files"] if not file.startswith(str(clone))] == []
    assert loaded["hashes"]["clicks_to_lake"]


def test_without_settings_no_task_waits_for_a_pool_that_may_not_exist(clone: Path, tmp_path: Path) -> None:
    assert load(clone, tmp_path)["pools"] == ["default_pool"]
    assert load(clone, tmp_path, CLICKSTREAM_SPARK_POOL="spark")["pools"] == ["default_pool", "spark"]
