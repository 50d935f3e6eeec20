"""Scores a file of events with the statements of the Flink job fraud_scores: the installed PyFlink in a process, without a cluster."""

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from clickstream_contracts.settings import environment as variables
from tools.common import http

REPO = Path(__file__).parents[2]
PYTHON = REPO / ".venvs/flink/bin/python"
MODULE = "flink_apps.fraud_scores.from_file"
# Characters of a failed process's stderr that are shown.
STDERR_LENGTH = 1500
POLL_SECONDS = 2.0
# Name of the vertex that reads the events in the plan of pipeline.sql.
SOURCE = "Source: records"


class FlinkError(RuntimeError):
    """The Flink job failed or could not start; the text has the end of its stderr."""


def environment(folder: Path) -> dict[str, str]:
    """Returns the environment variables of a PyFlink process; `folder` receives links to Flink's libraries and the project's jars.

    Raises FlinkError if PyFlink is not installed.
    """
    home = next((REPO / ".venvs/flink/lib").glob("python*/site-packages/pyflink"), None)
    if home is None or not PYTHON.exists():
        raise FlinkError(f"Flink's environment {REPO / '.venvs/flink'} is missing: run `make setup` in {REPO}")
    libraries = folder / "lib"
    libraries.mkdir()
    for jar in [*home.glob("lib/*.jar"), *REPO.glob(".jars/flink/*.jar"), *REPO.glob(".jars/flink-udf/*.jar")]:
        (libraries / jar.name).symlink_to(jar)
    return {"PYTHONPATH": f"{REPO}:{REPO / 'contracts'}", "FLINK_HOME": str(home), "FLINK_LIB_DIR": str(libraries)}


def score(events: Path, folder: Path, on_progress: Callable[[int], None] = lambda rows: None) -> None:
    """Score a file of JSON lines in order of arrival; the results are JSON lines in the folders scores, alerts, late and flagged.

    on_progress: called every few seconds with the number of events that were read. Raises FlinkError.
    """
    port = _free_port()
    command = [str(PYTHON), "-m", MODULE, str(events), str(folder), str(port)]
    env = variables(**environment(folder))
    with (folder / "flink.log").open("w+") as log:
        with subprocess.Popen(command, cwd=REPO, env=env, stdout=log, stderr=log) as process:
            try:
                _watch(process, port, on_progress)
            finally:
                process.terminate()
        if process.returncode:
            log.seek(0)
            raise FlinkError(f"{MODULE} failed with exit code {process.returncode}: {log.read().strip()[-STDERR_LENGTH:]}")


def _watch(process: "subprocess.Popen[bytes]", port: int, on_progress: Callable[[int], None]) -> None:
    while process.poll() is None:
        rows = _rows_read(port)
        if rows is not None:
            on_progress(rows)
        time.sleep(POLL_SECONDS)


def _rows_read(port: int) -> int | None:
    """Returns how many events the job has read, None while Flink does not answer."""
    address = f"http://127.0.0.1:{port}/jobs"
    try:
        jobs = http.get(address, POLL_SECONDS).json()["jobs"]
        vertices = [vertex for job in jobs for vertex in http.get(f"{address}/{job['id']}", POLL_SECONDS).json()["vertices"]]
    except (httpx.HTTPError, ValueError, KeyError):
        return None
    return sum(int(vertex["metrics"]["write-records"]) for vertex in vertices if vertex["name"].startswith(SOURCE))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
