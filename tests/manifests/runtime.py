"""What Airflow's Kubernetes runtime starts, as tests/plugins wrote it down; that room has Airflow, this one the checkers."""

from pathlib import Path

import yaml

from tests.manifests.rendered import Object

SNAPSHOT = Path(__file__).with_name("runtime.yaml")


def resources() -> list[Object]:
    """A Spark application, a tool's pod and a Ray job."""
    return list(yaml.safe_load_all(SNAPSHOT.read_text()))
