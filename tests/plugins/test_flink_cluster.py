"""The hook against a real cluster: definitions of the same and of other code, a driver without an upload, savepoints of a running job."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clickstream.hooks.flink import DefinitionMismatch, FlinkError, FlinkHook
from clickstream.runtime.flink import FlinkProgram
from clickstream.streams.health import HealthWatch
from clickstream_contracts import names
from tests.plugins.environment import ROOT
from tests.ports import free_ports

pytestmark = pytest.mark.engine
PYFLINK = next((ROOT / ".venvs/flink/lib").glob("python*/site-packages/pyflink"))
DRIVER = next(PYFLINK.glob("opt/flink-python-*.jar"))
JOB = """
from pyflink.table import EnvironmentSettings, TableEnvironment

tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
tables.get_config().set("pipeline.name", "numbers@0123456789ab")
tables.execute_sql("CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10')")
tables.execute_sql("CREATE TABLE nothing (n BIGINT) WITH ('connector' = 'blackhole')")
tables.execute_sql("INSERT INTO nothing SELECT n FROM numbers")
"""
ARGUMENTS = ["-pym", f"flink_apps.{names.CLICKS_TO_LAKE_JOB}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flink")


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[FlinkHook]:
    """A JobManager that has the driver in its upload folder, as its container in Kubernetes, and a TaskManager."""
    port = free_ports()["flink_port"]
    python = str(ROOT / ".venvs/flink/bin/python")
    shipped = yaml.safe_load((PYFLINK / "conf" / "config.yaml").read_text())
    config = {
        "jobmanager.rpc.address": "127.0.0.1",
        "jobmanager.rpc.port": port + 1,
        "blob.server.port": port + 2,
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        "rest.port": port,
        "taskmanager.host": "127.0.0.1",
        "taskmanager.rpc.port": port + 3,
        "taskmanager.data.port": port + 4,
        "jobmanager.memory.process.size": "900m",
        "taskmanager.memory.process.size": "900m",
        "taskmanager.memory.managed.size": "64m",
        "taskmanager.memory.network.max": "64m",
        "execution.checkpointing.dir": f"file://{folder}/checkpoints",
        "web.upload.dir": str(folder / "upload"),
        "io.tmp.dirs": str(folder),
        "python.client.executable": python,
        "python.executable": python,
        "env.java.opts.all": shipped["env"]["java"]["opts"]["all"],
    }
    for name in ("conf", "log", "upload/flink-web-upload"):
        (folder / name).mkdir(parents=True)
    (folder / "conf" / "config.yaml").write_text(yaml.safe_dump(config, width=10_000))
    (folder / "upload/flink-web-upload" / f"00000000-0000-0000-0000-000000000000_{DRIVER.name}").symlink_to(DRIVER)
    paths = {f"FLINK_{name.upper()}_DIR": str(folder / name) for name in ("conf", "log")}
    python_path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}
    environment = dict(os.environ) | paths | python_path | {"FLINK_HOME": str(PYFLINK), "FLINK_PID_DIR": str(folder)}
    processes = []
    for role in ("jobmanager", "taskmanager"):
        with (folder / f"{role}.log").open("w") as log:
            command = [str(PYFLINK / "bin" / f"{role}.sh"), "start-foreground"]
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
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
