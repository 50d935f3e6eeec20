"""The hook against a real JobManager: definitions of the same and of other code, and the driver that is there without an upload."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clickstream.hooks.flink import DefinitionMismatch, FlinkError, FlinkHook
from clickstream.runtime.flink import FlinkProgram
from clickstream_contracts import names
from tests.plugins.environment import ROOT
from tests.ports import free_ports

pytestmark = pytest.mark.engine
PYFLINK = next((ROOT / ".venvs/flink/lib").glob("python*/site-packages/pyflink"))
DRIVER = next(PYFLINK.glob("opt/flink-python-*.jar"))
ARGUMENTS = ["-pym", f"flink_apps.{names.CLICKS_TO_LAKE_JOB}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flink")


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[FlinkHook]:
    """A JobManager that has the driver in its upload folder, as its container in Kubernetes."""
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
        "jobmanager.memory.process.size": "900m",
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
    with (folder / "jobmanager.log").open("w") as log:
        command = [str(PYFLINK / "bin" / "jobmanager.sh"), "start-foreground"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    hook = FlinkHook(f"http://127.0.0.1:{port}", attempts=1)
    try:
        _wait_until_ready(hook, process)
        yield hook
    finally:
        process.terminate()
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
