"""Flink streams: the operators are equal in every runtime, because each has a session cluster with the same REST API."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException

from clickstream.runtime.base import FlinkStream
from clickstream_contracts.settings import Settings

# The folder that holds plugins, contracts and flink_apps: the checkout, or /opt/clickstream in an image.
PROJECT = Path(__file__).parents[3]
PYTHON_PATH = f"{PROJECT}:{PROJECT / 'contracts'}"
VENV_DRIVER = "lib/python*/site-packages/pyflink/opt/flink-python-*.jar"


@dataclass(frozen=True)
class FlinkProgram:
    """The program of one stream as Airflow needs it: the hash of its definition, and the driver jar that starts it."""

    app: str

    def definition(self) -> str:
        """Returns the hash of the current definition. The app computes it, in Airflow's interpreter because it needs no engine."""
        command = ["env", f"PYTHONPATH={PYTHON_PATH}", sys.executable, "-m", f"flink_apps.{self.app}", "--hash"]
        result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise AirflowException(f"cannot compute the definition of {self.app}: {result.stderr.strip()[-300:]}")
        return result.stdout.strip()

    def driver_jar(self, settings: Settings) -> Path:
        """Returns the flink-python jar that starts Python apps: of the setting or else of the Flink environment beside Airflow's."""
        if settings.flink_driver_jar:
            return Path(settings.flink_driver_jar)
        jars = sorted((PROJECT / ".venvs" / "flink").glob(VENV_DRIVER))
        if not jars:
            raise AirflowException("no flink-python jar in .venvs/flink: run `make up`, or set CLICKSTREAM_FLINK_DRIVER_JAR to its path")
        return jars[0]


class FlinkSession:
    """The methods of a runtime for streams."""

    def flink_submit(self, stream: FlinkStream, **task: Any) -> BaseOperator:
        from clickstream.operators.flink import FlinkSubmitOperator

        return FlinkSubmitOperator(program=FlinkProgram(stream.app), **task)

    def flink_health(self, stream: FlinkStream, **task: Any) -> BaseOperator:
        from clickstream.operators.flink import FlinkHealthOperator

        return FlinkHealthOperator(program=FlinkProgram(stream.app), **task)
