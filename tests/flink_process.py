"""A JobManager or TaskManager of .venvs/flink as a process of this machine, on loopback and with ports of its own."""

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PYFLINK = next((ROOT / ".venvs/flink/lib").glob("python*/site-packages/pyflink"), ROOT / ".venvs/flink")
# The name under which Flink lists an uploaded file, as in the container of the JobManager.
DRIVER = "00000000-0000-0000-0000-000000000000_flink-python.jar"
NUMBERS = """
tables.execute_sql("CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10')")
tables.execute_sql("CREATE TABLE nothing (n BIGINT) WITH ('connector' = 'blackhole')")
tables.execute_sql("INSERT INTO nothing SELECT n FROM numbers")
"""


def job(option: str, value: str) -> str:
    """Returns a Python program that submits a job without an end, with one option of the table environment."""
    return f"""
from pyflink.table import EnvironmentSettings, TableEnvironment

tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
tables.get_config().set("{option}", "{value}")
{NUMBERS}"""


def driver_jar() -> Path:
    """Returns the jar that runs Python programs."""
    return next(PYFLINK.glob("opt/flink-python-*.jar"))


def local_config(folder: Path, first_port: int) -> dict[str, Any]:
    """Returns the options that differ on one machine: addresses, ports `first_port`.., and paths."""
    python = str(ROOT / ".venvs/flink/bin/python")
    shipped = yaml.safe_load((PYFLINK / "conf" / "config.yaml").read_text())
    return {
        "rest.port": first_port,
        "jobmanager.rpc.port": first_port + 1,
        "blob.server.port": first_port + 2,
        "taskmanager.rpc.port": first_port + 3,
        "taskmanager.data.port": first_port + 4,
        "jobmanager.rpc.address": "127.0.0.1",
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        "taskmanager.host": "127.0.0.1",
        "jobmanager.memory.process.size": "900m",
        "web.upload.dir": str(folder / "upload"),
        "io.tmp.dirs": str(folder),
        "python.client.executable": python,
        "python.executable": python,
        "env.java.opts.all": shipped["env"]["java"]["opts"]["all"],
    }


def prepare(folder: Path, config: dict[str, Any], driver: str = DRIVER) -> None:
    """Write the configuration into `folder`, and put the driver where uploaded files are, by the name `driver`."""
    for name in ("conf", "log", "upload/flink-web-upload"):
        (folder / name).mkdir(parents=True)
    (folder / "conf" / "config.yaml").write_text(yaml.safe_dump(config, width=10_000))
    (folder / "upload/flink-web-upload" / driver).symlink_to(driver_jar())


def start(folder: Path, role: str, log: Path) -> subprocess.Popen[bytes]:
    """Start a `jobmanager` or `taskmanager` with the configuration in `folder`, in a process group of its own."""
    environment = dict(os.environ) | {
        "FLINK_CONF_DIR": str(folder / "conf"),
        "FLINK_LOG_DIR": str(folder / "log"),
        "FLINK_PID_DIR": str(folder),
        "FLINK_HOME": str(PYFLINK),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}",
    }
    with log.open("w") as output:
        command = [str(PYFLINK / "bin" / f"{role}.sh"), "start-foreground"]
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
