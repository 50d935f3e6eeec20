"""The hook against a real cluster: definitions of the same and of other code, a driver without an upload, savepoints of a running job."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream.hooks.flink import DefinitionMismatch, FlinkError, FlinkHook
from clickstream.runtime.flink import FlinkProgram
from clickstream.streams.health import HealthWatch
from clickstream_contracts import names
from tests import flink_process
from tests.ports import free_ports

pytestmark = pytest.mark.engine
DRIVER = flink_process.driver_jar()
JOB = flink_process.job("pipeline.name", "numbers@0123456789ab")
ARGUMENTS = ["-pym", f"flink_apps.{names.CLICKS_TO_LAKE_JOB}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flink")


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[FlinkHook]:
    """A JobManager that has the driver in its upload folder, as its container in Kubernetes, and a TaskManager."""
    port = free_ports()["flink_port"]
    config = flink_process.local_config(folder, port) | {
        "taskmanager.memory.process.size": "900m",
        "taskmanager.memory.managed.size": "64m",
        "taskmanager.memory.network.max": "64m",
        "execution.checkpointing.dir": f"file://{folder}/checkpoints",
    }
    flink_process.prepare(folder, config, f"00000000-0000-0000-0000-000000000000_{DRIVER.name}")
    processes = [flink_process.start(folder, role, folder / f"{role}.log") for role in ("jobmanager", "taskmanager")]
    hook = FlinkHook(f"http://127.0.0.1:{port}", attempts=1)
    try:
        _wait_until_ready(hook, processes[0])
        yield hook
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=60)


def _wait_until_ready(hook: FlinkHook, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while True:
        assert process.poll() is None
        try:
            hook.jobs(names.CLICKS_TO_LAKE_JOB)
            return
        except FlinkError:
            assert time.monotonic() < deadline
            time.sleep(1)


def test_the_definition_of_the_same_code_is_accepted_and_starts_no_job(cluster: FlinkHook, folder: Path) -> None:
    definition = FlinkProgram(names.CLICKS_TO_LAKE_JOB).definition()
    cluster.check_definition(DRIVER, [*ARGUMENTS, "--check", "--definition", definition])
    assert cluster.jobs(names.CLICKS_TO_LAKE_JOB) == []
    assert len(list((folder / "upload/flink-web-upload").iterdir())) == 1, "the driver was uploaded although it was there"


def test_another_definition_is_a_mismatch_for_the_check_and_for_the_submission(cluster: FlinkHook) -> None:
    with pytest.raises(DefinitionMismatch, match="deploy the same version and the same CLICKSTREAM_"):
        cluster.check_definition(DRIVER, [*ARGUMENTS, "--check", "--definition", "0" * 64])
    with pytest.raises(DefinitionMismatch):
        cluster.run(DRIVER, [*ARGUMENTS, "--definition", "0" * 64], None)


def test_an_app_that_cannot_start_is_no_mismatch(cluster: FlinkHook) -> None:
    with pytest.raises(FlinkError, match="exits with code: 1") as failure:
        cluster.run(DRIVER, ["-pym", "flink_apps.nothing"], None)
    assert not isinstance(failure.value, DefinitionMismatch)


def test_a_job_goes_on_after_a_savepoint_and_ends_with_a_stop(cluster: FlinkHook, folder: Path) -> None:
    (folder / "job.py").write_text(JOB)
    job = cluster.run(DRIVER, ["-py", str(folder / "job.py")], None)
    HealthWatch(cluster, checkpoint_timeout=120).wait_for_first_checkpoint(job)
    assert time.time() - 120 < cluster.health(job).last_checkpoint <= time.time()
    savepoint = cluster.savepoint(job, f"file://{folder}/savepoints")
    assert (Path(savepoint.removeprefix("file:")) / "_metadata").exists()
    assert [(running.id, running.state) for running in cluster.jobs("numbers")] == [(job.id, "RUNNING")]
    assert cluster.stop(job, f"file://{folder}/savepoints") != savepoint
    assert [(ended.id, ended.state) for ended in cluster.jobs("numbers")] == [(job.id, "FINISHED")]


def test_a_savepoint_that_cannot_be_written_names_the_cause(cluster: FlinkHook, folder: Path) -> None:
    job = cluster.run(DRIVER, ["-py", str(folder / "job.py")], None)
    HealthWatch(cluster, checkpoint_timeout=120).wait_for_first_checkpoint(job)
    with pytest.raises(FlinkError, match=r"savepoint of numbers@0123456789ab failed: .*UnsupportedFileSystemScheme"):
        cluster.savepoint(job, "nowhere://savepoints")
    cluster.cancel(job)
